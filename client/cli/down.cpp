// espalier down: end what `up` runs.
#include <signal.h>

#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/supervisor/lock.h"

namespace espalier::cli {
namespace {

ExitCode down(const Context& context, const std::string& data) {
  const pid_t supervisor = DataLock::holder(data);
  auto done = [&](const std::string& line) {
    print(context.json() ? Json{{"data", data}, {"stopped_pid", supervisor}}.dump(2) + "\n"
                         : line + "\n");
    return ExitCode::kOk;
  };
  if (supervisor == 0) return done(absl::StrCat("nothing runs on ", data));
  if (kill(supervisor, SIGTERM) != 0) {
    return report_error(absl::ErrnoToStatus(
        errno, absl::StrCat("cannot stop 'espalier up' with pid ", supervisor)));
  }
  if (!context.quiet) std::cerr << "stopping; a running job is checkpointed first\n";
  // Every grace period of the supervisor together, and a little.
  for (const auto deadline = absl::Now() + absl::Seconds(120); absl::Now() < deadline;) {
    if (DataLock::holder(data) != supervisor)
      return done(absl::StrCat("stopped what ran on ", data));
    absl::SleepFor(absl::Milliseconds(100));
  }
  return report_error(absl::DeadlineExceededError(
      absl::StrCat("'espalier up' with pid ", supervisor, " still runs after 120 s")));
}

}  // namespace

void add_down(CLI::App& app, Context& context) {
  auto data = std::make_shared<std::string>(default_data_folder());
  auto* command =
      add_command(app, "down", "Stop what 'up' runs: running jobs are checkpointed and go on later",
                  "espalier down --data ./espalier-data");
  command->add_option("--data", *data, "The folder that 'up' was given")->capture_default_str();
  command->callback([&context, data] {
    context.action = [&context, data] { return down(context, std::filesystem::absolute(*data)); };
  });
}

}  // namespace espalier::cli
