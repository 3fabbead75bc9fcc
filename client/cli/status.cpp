// espalier status: what `up` runs, asked anew.
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/supervisor/probe.h"
#include "client/cli/table.h"
#include "client/cli/up_status.h"

namespace espalier::cli {

namespace {
std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }
}  // namespace

std::string status_text(const std::vector<ProcessState>& states) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& state : states) {
    rows.push_back({state.name,
                    state.ready      ? "ready"
                    : state.pid != 0 ? "starting"
                                     : "down",
                    state.pid != 0 ? std::to_string(state.pid) : "-", or_dash(state.address),
                    or_dash(state.rest), or_dash(state.admin), std::to_string(state.restarts),
                    state.last_end});
  }
  return table({"PROCESS", "STATE", "PID", "ADDRESS", "REST", "ADMIN", "RESTARTS", "LAST END"},
               rows);
}

std::string status_json(const std::string& data, pid_t supervisor,
                        const std::vector<ProcessState>& states) {
  Json document = {{"data", data},
                   {"running", supervisor != 0},
                   {"pid", supervisor},
                   {"processes", Json::array()}};
  for (const auto& state : states) document["processes"].push_back(to_json(state));
  return document.dump(2) + "\n";
}

namespace {

ExitCode status(const Context& context, const std::string& data) {
  const pid_t supervisor = DataLock::holder(data);
  if (supervisor == 0) {
    if (context.json()) print(status_json(data, 0, {}));
    return report_error(absl::UnavailableError(
        absl::StrCat("nothing runs on ", data, "; start it with 'espalier up --data ", data, "'")));
  }
  auto states = read_state(data);
  if (!states.ok()) return report_error(states.status());
  for (auto& state : *states) {
    if (state.pid != 0 && kill(state.pid, 0) != 0) state.pid = 0;
    state.ready = state.pid != 0 && is_ready(state.admin);
  }
  print(context.json() ? status_json(data, supervisor, *states) : status_text(*states));
  const bool all =
      std::all_of(states->begin(), states->end(), [](const ProcessState& s) { return s.ready; });
  return all ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
  auto data = std::make_shared<std::string>(default_data_folder());
  auto* command = add_command(
      app, "status", "What 'up' runs: 0 if all of it is ready, 1 if not, 5 if nothing runs",
      "espalier status --data ./espalier-data");
  command->add_option("--data", *data, "The folder that 'up' was given")->capture_default_str();
  command->callback([&context, data] {
    context.action = [&context, data] { return status(context, std::filesystem::absolute(*data)); };
  });
}

}  // namespace espalier::cli
