// Keeps processes running: starts them in order, restarts each with backoff, ends them in reverse
// order.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/supervisor/child.h"
#include "client/cli/supervisor/lock.h"

namespace espalier::cli {

struct ProcessSpec {
  std::string name;
  std::string program;
  std::vector<std::string> arguments;
  std::string log;
  std::string address, rest;  // gRPC and REST, only written down for people; empty: none
  std::string admin;          // answers /readyz
  // Index of the process that must have been ready once before this one starts; -1: none.
  int after = -1;
  // Time from SIGTERM to SIGKILL.
  absl::Duration grace = absl::Seconds(20);
};

class Supervisor {
 public:
  struct Options {
    std::vector<ProcessSpec> processes;
    absl::Duration first_backoff = absl::Milliseconds(500);
    absl::Duration longest_backoff = absl::Seconds(30);
    // A process that lived so long starts again with the first backoff.
    absl::Duration steady_after = absl::Seconds(60);
    // How often a process that is not ready yet is asked.
    absl::Duration probe_every = absl::Milliseconds(200);
    std::function<bool(const ProcessSpec&)> is_ready;
    // One line for people about each start, end and readiness.
    std::function<void(const std::string&)> say;
    // The state of all processes after each change.
    std::function<void(const std::vector<ProcessState>&)> changed;
  };

  explicit Supervisor(Options options);

  // Runs until SIGTERM, SIGINT or request_stop(), then ends the processes, the last one first.
  // Blocks these signals and SIGCHLD in the calling thread, which must be the only one.
  absl::Status run();
  // From a callback of run().
  void request_stop() { stopping_ = true; }

 private:
  struct Process {
    ProcessSpec spec;
    ProcessState state;
    absl::Duration backoff;
    absl::Time start_at = absl::InfinitePast();  // not before
    absl::Time started, probe_at;
    bool was_ready = false;
  };

  void start(Process& process, int lifeline);
  void ended(Process& process, int wait_status);
  void reap();
  // Starts and probes what is due; returns when to look again.
  absl::Time look_after(int lifeline);
  // Waits for a signal until `time`; notes a request to stop.
  void wait_until(absl::Time time);
  void end_all();
  void publish();

  Options options_;
  std::vector<Process> processes_;
  bool stopping_ = false;
};

// "0.5 s, 1 s, 2 s, ..." as a rule: what follows `last` when the process lived for `lived`.
absl::Duration next_backoff(absl::Duration last, absl::Duration lived,
                            const Supervisor::Options& options);

}  // namespace espalier::cli
