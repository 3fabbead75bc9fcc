#include "client/cli/supervisor/supervisor.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/table.h"
#include "core/base/status_macros.h"

namespace espalier::cli {
namespace {

// The daemons' exit code for a wrong flag: a restart will hardly help.
constexpr int kUsageExit = 2;

const sigset_t& watched_signals() {
  static const sigset_t signals = [] {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    return set;
  }();
  return signals;
}

}  // namespace

absl::Duration next_backoff(absl::Duration last, absl::Duration lived,
                            const Supervisor::Options& options) {
  if (last == absl::ZeroDuration() || lived >= options.steady_after) return options.first_backoff;
  return std::min(last * 2, options.longest_backoff);
}

Supervisor::Supervisor(Options options) : options_(std::move(options)) {
  for (const auto& spec : options_.processes) {
    Process process;
    process.spec = spec;
    process.state = {.name = spec.name,
                     .address = spec.address,
                     .rest = spec.rest,
                     .admin = spec.admin,
                     .log = spec.log};
    processes_.push_back(std::move(process));
  }
}

absl::Status Supervisor::run() {
  sigprocmask(SIG_BLOCK, &watched_signals(), nullptr);
  ESPALIER_ASSIGN_OR_RETURN(auto lifeline, Lifeline::make());
  publish();
  while (!stopping_) {
    const absl::Time next = look_after(lifeline.read_end());
    if (!stopping_) wait_until(next);
    reap();
  }
  end_all();
  return absl::OkStatus();
}

absl::Time Supervisor::look_after(int lifeline) {
  absl::Time next = absl::Now() + absl::Seconds(1);
  for (auto& process : processes_) {
    const bool may_start = process.spec.after < 0 || processes_[process.spec.after].was_ready;
    if (process.state.pid == 0 && may_start) {
      if (absl::Now() >= process.start_at) start(process, lifeline);
      if (process.state.pid == 0) next = std::min(next, process.start_at);
    }
    if (process.state.pid != 0 && !process.state.ready) {
      if (absl::Now() >= process.probe_at) {
        process.probe_at = absl::Now() + options_.probe_every;
        if (options_.is_ready(process.spec)) {
          process.state.ready = process.was_ready = true;
          next = absl::Now();  // whoever waited for this one may start
          const std::string& address = process.spec.address;
          options_.say(absl::StrCat(process.spec.name, " is ready", address.empty() ? "" : " at ",
                                    address, " (pid ", process.state.pid, ")"));
          publish();
        }
      }
      if (!process.state.ready) next = std::min(next, process.probe_at);
    }
  }
  return next;
}

void Supervisor::start(Process& process, int lifeline) {
  auto pid = spawn({process.spec.program, process.spec.arguments, process.spec.log, lifeline});
  if (!pid.ok()) {
    process.backoff = next_backoff(process.backoff, absl::ZeroDuration(), options_);
    process.start_at = absl::Now() + process.backoff;
    options_.say(std::string(pid.status().message()));
    return;
  }
  process.state.pid = *pid;
  process.started = absl::Now();
  process.probe_at = process.started;
  publish();
}

void Supervisor::reap() {
  for (auto& process : processes_) {
    int wait_status = 0;
    if (process.state.pid != 0 &&
        waitpid(process.state.pid, &wait_status, WNOHANG) == process.state.pid) {
      ended(process, wait_status);
    }
  }
}

void Supervisor::ended(Process& process, int wait_status) {
  const std::string how = end_text(wait_status);
  const pid_t pid = process.state.pid;
  process.state.pid = 0;
  process.state.ready = false;
  process.state.last_end = how;
  if (!stopping_) {
    ++process.state.restarts;
    process.backoff = next_backoff(process.backoff, absl::Now() - process.started, options_);
    process.start_at = absl::Now() + process.backoff;
    std::string line = absl::StrCat(process.spec.name, " (pid ", pid, ") ended with ", how,
                                    "; starting it again in ",
                                    number_text(absl::ToDoubleSeconds(process.backoff)), " s");
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kUsageExit) {
      absl::StrAppend(&line, "; a wrong flag");
    }
    if (auto last = last_line(process.spec.log); !last.empty())
      absl::StrAppend(&line, "; it said: ", last);
    options_.say(line);
  }
  publish();
}

void Supervisor::wait_until(absl::Time time) {
  const timespec timeout = absl::ToTimespec(std::max(absl::ZeroDuration(), time - absl::Now()));
  const int signal = sigtimedwait(&watched_signals(), nullptr, &timeout);
  if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) stopping_ = true;
}

void Supervisor::end_all() {
  stopping_ = true;
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process) {
    reap();
    if (process->state.pid == 0) continue;
    options_.say(absl::StrCat("stopping ", process->spec.name));
    kill(process->state.pid, SIGTERM);
    const absl::Time deadline = absl::Now() + process->spec.grace;
    while (process->state.pid != 0 && absl::Now() < deadline) {
      wait_until(std::min(deadline, absl::Now() + absl::Seconds(1)));
      reap();
    }
    if (process->state.pid == 0) continue;
    options_.say(absl::StrCat(process->spec.name, " did not stop within ",
                              number_text(absl::ToDoubleSeconds(process->spec.grace)),
                              " s; killing it"));
    kill(process->state.pid, SIGKILL);
    int wait_status = 0;
    waitpid(process->state.pid, &wait_status, 0);
    ended(*process, wait_status);
  }
}

void Supervisor::publish() {
  std::vector<ProcessState> states;
  for (const auto& process : processes_) states.push_back(process.state);
  options_.changed(states);
}

}  // namespace espalier::cli
