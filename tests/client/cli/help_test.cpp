// The command line as a whole: help, usage, exit codes.
#include <gmock/gmock.h>

#include "client/cli/app.h"

namespace espalier::cli {
namespace {

using ::testing::HasSubstr;

void collect(CLI::App* app, std::vector<CLI::App*>& commands) {
  for (auto* command : app->get_subcommands({})) {
    if (command->get_name().empty()) continue;  // an option group
    commands.push_back(command);
    collect(command, commands);
  }
}

ExitCode run(const std::string& line, Context& context) {
  auto app = make_app(context);
  try {
    app->parse(line);
  } catch (const CLI::ParseError&) {
    return ExitCode::kUsage;
  }
  return context.action();
}

TEST(Help, OfEveryCommandEndsWithAnExample) {
  Context context;
  auto app = make_app(context);
  std::vector<CLI::App*> commands;
  collect(app.get(), commands);
  EXPECT_GE(commands.size(), 30u);
  for (auto* command : commands) {
    EXPECT_THAT(command->help(), HasSubstr("Example:\n  espalier ")) << command->get_name();
    EXPECT_FALSE(command->get_description().empty()) << command->get_name();
  }
}

TEST(Help, NamesTheExitCodes) {
  Context context;
  EXPECT_THAT(make_app(context)->help(), HasSubstr("5    the service cannot be reached"));
}

TEST(CommandLine, TakesGlobalOptionsBehindTheCommand) {
  Context context;
  auto app = make_app(context);
  app->parse("models list --output json --project other --address 127.0.0.1:1");
  EXPECT_TRUE(context.json());
  EXPECT_EQ(context.project, "other");
  EXPECT_EQ(context.address, "127.0.0.1:1");
}

TEST(CommandLine, RefusesWrongUsage) {
  Context context;
  for (const char* line :
       {"", "nonsense", "models", "models upload minilm", "models list --output yaml",
        "jobs submit --model m --sparsity 0.6 --speedup 2", "endpoints set reviews",
        "predict reviews", "jobs list --state sleeping"}) {
    EXPECT_EQ(run(line, context), ExitCode::kUsage) << line;
  }
}

TEST(CommandLine, EndsWithFiveWhenNobodyIsThere) {
  for (const char* line : {"models list", "datasets get x", "methods", "jobs watch j",
                           "jobs submit --model m", "artifacts report a", "endpoints list"}) {
    Context context;
    context.quiet = true;
    EXPECT_EQ(run(std::string(line) + " --address 127.0.0.1:1", context), ExitCode::kUnreachable)
        << line;
  }
  Context context;
  EXPECT_EQ(run("predict m text --inference-address 127.0.0.1:1", context), ExitCode::kUnreachable);
}

TEST(ExitCodes, FollowTheStatus) {
  EXPECT_EQ(exit_code_of(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(exit_code_of(absl::InternalError("")), ExitCode::kFailed);
  EXPECT_EQ(exit_code_of(absl::NotFoundError("")), ExitCode::kNotFound);
  EXPECT_EQ(exit_code_of(absl::InvalidArgumentError("")), ExitCode::kRefused);
  EXPECT_EQ(exit_code_of(absl::FailedPreconditionError("")), ExitCode::kRefused);
  EXPECT_EQ(exit_code_of(absl::UnavailableError("")), ExitCode::kUnreachable);
}

}  // namespace
}  // namespace espalier::cli
