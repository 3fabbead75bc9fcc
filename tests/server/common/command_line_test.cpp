#include "server/common/command_line.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>

namespace espalier::server {
namespace {

// A program with a flag that it needs and one whose values have a range.
std::optional<int> run(std::vector<const char*> words) {
  CLI::App app("a program");
  std::string data;
  int threads = 0;
  app.add_option("--data", data)->required();
  app.add_option("--threads", threads)->check(CLI::Range(1, 4));
  app.set_version_flag("--version", "1");
  app.callback([&data] {
    if (data == "nowhere") throw CLI::RequiredError("--data");
  });
  words.insert(words.begin(), "program");
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const auto code = parse_command_line(app, static_cast<int>(words.size()), words.data());
  ::testing::internal::GetCapturedStdout();
  ::testing::internal::GetCapturedStderr();
  return code;
}

TEST(CommandLine, RunsTheProgramWhenItIsRight) {
  EXPECT_EQ(run({"--data", "here", "--threads", "2"}), std::nullopt);
}

TEST(CommandLine, EndsWithZeroForHelpAndVersion) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_EQ(run({"--version"}), 0);
}

TEST(CommandLine, EndsWithTwoForEveryKindOfWrongUsage) {
  EXPECT_EQ(run({}), kWrongUsage);
  EXPECT_EQ(run({"--data"}), kWrongUsage);
  EXPECT_EQ(run({"--data", "here", "--nonsense"}), kWrongUsage);
  EXPECT_EQ(run({"--data", "here", "--threads", "5"}), kWrongUsage);
  EXPECT_EQ(run({"--data", "nowhere"}), kWrongUsage);  // said by a callback
}

}  // namespace
}  // namespace espalier::server
