// espalier up: espalierd, one worker and one inference server on this machine.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/supervisor/probe.h"
#include "client/cli/supervisor/supervisor.h"
#include "client/cli/up_status.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::cli {
namespace {

struct UpFlags {
  std::string data = default_data_folder();
  bool detach = false;
  std::string listen = "127.0.0.1:7400", admin = "127.0.0.1:7401", worker_admin = "127.0.0.1:7411";
  std::string inference_listen = "127.0.0.1:7420", inference_admin = "127.0.0.1:7421";
  std::string inference_http = "127.0.0.1:7422";  // empty: no REST
  int threads = 0;
  int lease_seconds = 30, checkpoint_seconds = 60;
};

std::filesystem::path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

// What this process was given behind its name.
absl::StatusOr<std::vector<std::string>> own_arguments() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(in, argument, '\0');) arguments.push_back(argument);
  if (arguments.empty()) return absl::InternalError("cannot read /proc/self/cmdline");
  arguments.erase(arguments.begin());
  return arguments;
}

std::vector<ProcessSpec> processes(const UpFlags& flags, const std::string& project) {
  const std::string bin = own_program().parent_path().string() + "/";
  const std::string control = reachable(flags.listen);
  auto log = [&](const std::string& name) {
    return absl::StrCat(flags.data, "/logs/", name, ".log");
  };
  ProcessSpec espalierd{
      .name = "espalierd",
      .program = bin + "espalierd",
      .arguments = {"--listen", flags.listen, "--admin", flags.admin, "--data", flags.data,
                    "--lease-seconds", std::to_string(flags.lease_seconds)},
      .log = log("espalierd"),
      .address = flags.listen,
      .admin = flags.admin};
  ProcessSpec worker{.name = "espalier-worker",
                     .program = bin + "espalier-worker",
                     .arguments = {"--control", control, "--admin", flags.worker_admin, "--scratch",
                                   flags.data + "/worker", "--checkpoint-seconds",
                                   std::to_string(flags.checkpoint_seconds)},
                     .log = log("espalier-worker"),
                     .admin = flags.worker_admin,
                     .after = 0,
                     .grace = absl::Seconds(60)};  // it writes a checkpoint
  ProcessSpec serve{
      .name = "espalier-serve",
      .program = bin + "espalier-serve",
      .arguments = {"--listen", flags.inference_listen, "--http", flags.inference_http, "--admin",
                    flags.inference_admin, "--control", control, "--project", project, "--cache",
                    flags.data + "/serve"},
      .log = log("espalier-serve"),
      .address = flags.inference_listen,
      .rest = flags.inference_http,
      .admin = flags.inference_admin,
      .after = 0};
  if (flags.threads > 0) {
    for (auto* process : {&worker, &serve}) {
      process->arguments.insert(process->arguments.end(),
                                {"--threads", std::to_string(flags.threads)});
    }
  }
  return {espalierd, worker, serve};
}

absl::Status check_ports(const UpFlags& flags) {
  ESPALIER_RETURN_IF_ERROR(check_port_free(flags.listen, "espalierd --listen", "--listen"));
  ESPALIER_RETURN_IF_ERROR(check_port_free(flags.admin, "espalierd --admin", "--admin"));
  ESPALIER_RETURN_IF_ERROR(
      check_port_free(flags.worker_admin, "espalier-worker --admin", "--worker-admin"));
  ESPALIER_RETURN_IF_ERROR(
      check_port_free(flags.inference_listen, "espalier-serve --listen", "--inference-listen"));
  if (!flags.inference_http.empty()) {
    ESPALIER_RETURN_IF_ERROR(
        check_port_free(flags.inference_http, "espalier-serve --http", "--inference-http"));
  }
  return check_port_free(flags.inference_admin, "espalier-serve --admin", "--inference-admin");
}

absl::Status check_programs(const std::vector<ProcessSpec>& processes) {
  for (const auto& process : processes) {
    if (access(process.program.c_str(), X_OK) != 0) {
      return absl::NotFoundError(
          absl::StrCat("cannot find ", process.program,
                       "; 'espalier up' starts the programs that lie beside it"));
    }
  }
  return absl::OkStatus();
}

void say(const std::string& line) {
  std::cerr << absl::FormatTime("%H:%M:%S", absl::Now(), absl::LocalTimeZone()) << "  " << line
            << std::endl;
}

absl::Status run_here(const UpFlags& flags, const std::vector<ProcessSpec>& specs) {
  ESPALIER_ASSIGN_OR_RETURN(auto lock, DataLock::take(flags.data));
  ESPALIER_RETURN_IF_ERROR(check_ports(flags));
  say(absl::StrCat("data and logs are in ", flags.data,
                   "; stop with Ctrl-C or 'espalier down --data ", flags.data, "'"));
  Supervisor supervisor(
      {.processes = specs,
       .is_ready = [](const ProcessSpec& process) { return is_ready(process.admin); },
       .say = say,
       .changed =
           [&](const std::vector<ProcessState>& states) {
             if (auto status = write_state(flags.data, states); !status.ok()) {
               say(std::string(status.message()));
             }
           }});
  return supervisor.run();
}

// The same command without --detach in a session of its own; returns when everything is ready.
absl::StatusOr<std::vector<ProcessState>> run_detached(const UpFlags& flags) {
  {
    // For their messages: the detached process checks again.
    ESPALIER_ASSIGN_OR_RETURN(auto lock, DataLock::take(flags.data));
    ESPALIER_RETURN_IF_ERROR(check_ports(flags));
  }
  const std::string log = flags.data + "/logs/up.log";
  ESPALIER_ASSIGN_OR_RETURN(auto arguments, own_arguments());
  arguments = without_detach(std::move(arguments));
  ESPALIER_ASSIGN_OR_RETURN(
      auto pid,
      spawn({.program = own_program(), .arguments = arguments, .log = log, .new_session = true}));
  for (const auto deadline = absl::Now() + absl::Seconds(60); absl::Now() < deadline;) {
    int wait_status = 0;
    if (waitpid(pid, &wait_status, WNOHANG) == pid) {
      return absl::InternalError(
          absl::StrCat("'espalier up' ended with ", end_text(wait_status), ": ", last_line(log)));
    }
    if (DataLock::holder(flags.data) == pid) {
      auto states = read_state(flags.data);
      if (states.ok() && !states->empty() &&
          std::all_of(states->begin(), states->end(),
                      [](const ProcessState& state) { return state.ready; })) {
        return states;
      }
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
  return absl::DeadlineExceededError(
      absl::StrCat("not everything is ready after 60 s; it goes on trying (pid ", pid,
                   "): see 'espalier status --data ", flags.data, "' and ", log));
}

ExitCode up(const Context& context, UpFlags flags) {
  flags.data = std::filesystem::absolute(flags.data);
  const auto specs = processes(flags, context.project);
  if (auto status = check_programs(specs); !status.ok()) return report_error(status);
  if (auto status = make_folders(flags.data + "/logs"); !status.ok()) return report_error(status);
  if (!flags.detach) {
    auto status = run_here(flags, specs);
    return status.ok() ? ExitCode::kOk : report_error(status);
  }
  auto states = run_detached(flags);
  if (!states.ok()) return report_error(states.status());
  print(context.json() ? status_json(flags.data, DataLock::holder(flags.data), *states)
                       : absl::StrCat(status_text(*states), "data and logs are in ", flags.data,
                                      "; stop with 'espalier down --data ", flags.data, "'\n"));
  return ExitCode::kOk;
}

}  // namespace

std::vector<std::string> without_detach(std::vector<std::string> arguments) {
  std::erase_if(arguments, [](const std::string& argument) {
    return argument == "--detach" || absl::StartsWith(argument, "--detach=");
  });
  return arguments;
}

void add_up(CLI::App& app, Context& context) {
  auto flags = std::make_shared<UpFlags>();
  auto* command =
      add_command(app, "up", "Run espalierd, a worker and an inference server on this machine",
                  "espalier up --detach --data ./espalier-data");
  command->add_option("--data", flags->data, "Folder for everything that lasts")
      ->capture_default_str();
  command->add_flag("--detach", flags->detach, "Return when all of them are ready");
  command->add_option("--listen", flags->listen, "espalierd's gRPC address")->capture_default_str();
  command->add_option("--admin", flags->admin, "espalierd's address for metrics and probes")
      ->capture_default_str();
  command
      ->add_option("--worker-admin", flags->worker_admin,
                   "The worker's address for metrics and probes")
      ->capture_default_str();
  command
      ->add_option("--inference-listen", flags->inference_listen,
                   "The inference server's gRPC address")
      ->capture_default_str();
  command
      ->add_option("--inference-http", flags->inference_http,
                   "The inference server's REST address; empty: none")
      ->capture_default_str();
  command
      ->add_option("--inference-admin", flags->inference_admin,
                   "The inference server's address for metrics and probes")
      ->capture_default_str();
  command
      ->add_option("--threads", flags->threads,
                   "Threads of the worker and of the inference server; 0: all cores")
      ->capture_default_str();
  command
      ->add_option("--lease-seconds", flags->lease_seconds,
                   "A worker that is silent for so long loses its job")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command
      ->add_option("--checkpoint-seconds", flags->checkpoint_seconds,
                   "Least time between a job's checkpoints")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command->callback(
      [&context, flags] { context.action = [&context, flags] { return up(context, *flags); }; });
}

}  // namespace espalier::cli
