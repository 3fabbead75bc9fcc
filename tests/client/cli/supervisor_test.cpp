// The supervisor over small shell scripts. Its callbacks drive the tests: nothing sleeps but the
// scripts.
#include "client/cli/supervisor/supervisor.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/base/files.h"

namespace espalier::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SupervisorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = ::testing::TempDir() + "/supervisor_" + std::to_string(getpid());
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(make_folders(folder).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  // Runs `body` in a shell; `wait` in it sleeps until SIGTERM and then writes "stop NAME".
  ProcessSpec script(const std::string& name, const std::string& body, int after = -1) {
    const std::string prelude = "wait() { echo up >" + folder + "/" + name +
                                ".up; while :; do sleep 0.02; done; }\n" + "trap 'echo stop " +
                                name + " >>" + folder + "/order; exit 0' TERM\n";
    ProcessSpec spec{.name = name, .program = "/bin/sh", .arguments = {"-c", prelude + body}};
    spec.log = folder + "/" + name + ".log";
    spec.after = after;
    return spec;
  }

  // Runs until `enough`, asked after each change, says yes.
  void run(std::vector<ProcessSpec> specs,
           std::function<bool(const std::vector<ProcessState>&)> enough) {
    Supervisor* running = nullptr;
    Supervisor supervisor({.processes = std::move(specs),
                           .first_backoff = absl::Milliseconds(1),
                           .longest_backoff = absl::Milliseconds(4),
                           .probe_every = absl::Milliseconds(5),
                           .is_ready =
                               [&](const ProcessSpec& spec) {
                                 return std::filesystem::exists(folder + "/" + spec.name + ".up");
                               },
                           .say = [&](const std::string& line) { said.push_back(line); },
                           .changed =
                               [&](const std::vector<ProcessState>& states) {
                                 history.push_back(states);
                                 if (running != nullptr && enough(states)) running->request_stop();
                               }});
    running = &supervisor;
    ASSERT_TRUE(supervisor.run().ok());
  }

  std::string folder;
  std::vector<std::string> said;
  std::vector<std::vector<ProcessState>> history;
};

bool all_ready(const std::vector<ProcessState>& states) {
  return std::all_of(states.begin(), states.end(),
                     [](const ProcessState& state) { return state.ready; });
}

TEST_F(SupervisorTest, StartsInOrderAndStopsInReverse) {
  run({script("first", "wait"), script("second", "wait", 0), script("third", "wait", 0)},
      all_ready);
  EXPECT_EQ(*read_file(folder + "/order"), "stop third\nstop second\nstop first\n");
  for (const auto& states : history) {
    const bool second_runs = states[1].pid != 0 && states[0].last_end.empty();
    EXPECT_TRUE(!second_runs || states[0].ready);
  }
  for (const auto& state : history.back()) EXPECT_EQ(state.pid, 0);
}

TEST_F(SupervisorTest, StartsAgainWhatEndsAndSaysWhatItSaid) {
  run({script("crashing", "echo out of luck; exit 3")},
      [](const std::vector<ProcessState>& states) { return states[0].restarts == 4; });
  EXPECT_THAT(said,
              Contains(HasSubstr(
                  "ended with exit code 3; starting it again in 0.001 s; it said: out of luck")));
  EXPECT_THAT(said, Contains(HasSubstr("in 0.004 s")));
}

TEST_F(SupervisorTest, StartsAgainWhatIsKilledAndLeavesTheOthersAlone) {
  pid_t steady = 0;
  bool killed = false;
  run({script("steady", "wait"), script("killed", "wait", 0)},
      [&](const std::vector<ProcessState>& states) {
        if (!killed && all_ready(states)) {
          killed = true;
          steady = states[0].pid;
          kill(states[1].pid, SIGKILL);
          return false;
        }
        return killed && states[1].restarts == 1 && all_ready(states);
      });
  EXPECT_EQ(history.back()[1].restarts, 1);
  EXPECT_THAT(said, Contains(HasSubstr("ended with signal 9 (Killed)")));
  for (const auto& states : history) {
    EXPECT_TRUE(states[0].pid == 0 || states[0].pid == steady);
  }
}

TEST_F(SupervisorTest, KillsWhatDoesNotStopInTime) {
  auto stubborn = script("stubborn", "trap '' TERM; wait");
  stubborn.grace = absl::Milliseconds(30);
  run({stubborn}, all_ready);
  EXPECT_THAT(said, Contains(HasSubstr("did not stop within 0.03 s; killing it")));
  EXPECT_EQ(history.back()[0].last_end, "signal 9 (Killed)");
}

TEST_F(SupervisorTest, NamesAWrongFlag) {
  run({script("usage", "exit 2")},
      [](const std::vector<ProcessState>& states) { return states[0].restarts == 1; });
  EXPECT_THAT(
      said,
      Contains(HasSubstr("ended with exit code 2; starting it again in 0.001 s; a wrong flag")));
}

TEST_F(SupervisorTest, GivesEachChildALifelineThatEndsWithIt) {
  // The child reads end of file from its lifeline only when the write end, which we alone hold, is
  // closed.
  ASSERT_TRUE(write_file(folder + "/none", "").ok());
  pid_t child = 0;
  {
    auto lifeline = Lifeline::make();
    ASSERT_TRUE(lifeline.ok());
    auto pid =
        spawn({.program = "/bin/sh",
               .arguments = {"-c", "test \"$ESPALIER_LIFELINE_FD\" = 3 && cat <&3 && echo gone"},
               .log = folder + "/child.log",
               .lifeline = lifeline->read_end()});
    ASSERT_TRUE(pid.ok()) << pid.status();
    child = *pid;
    EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(last_line(folder + "/child.log"), "gone");
}

TEST(Backoff, DoublesUpToItsLimitAndStartsOverAfterALongLife) {
  Supervisor::Options options;
  EXPECT_EQ(next_backoff(absl::ZeroDuration(), absl::ZeroDuration(), options),
            absl::Milliseconds(500));
  EXPECT_EQ(next_backoff(absl::Milliseconds(500), absl::Seconds(1), options), absl::Seconds(1));
  EXPECT_EQ(next_backoff(absl::Seconds(20), absl::Seconds(1), options), absl::Seconds(30));
  EXPECT_EQ(next_backoff(absl::Seconds(30), absl::Seconds(61), options), absl::Milliseconds(500));
}

}  // namespace
}  // namespace espalier::cli
