// A process that the supervisor owns.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::cli {

// A pipe whose write end only this process holds. A child reads end of file when we are gone,
// however that happened, and takes it as SIGTERM: a kill -9 of the supervisor leaves no orphans.
class Lifeline {
 public:
  static absl::StatusOr<Lifeline> make();
  Lifeline(Lifeline&& other) noexcept;
  Lifeline& operator=(Lifeline&&) = delete;
  ~Lifeline();
  int read_end() const { return ends_[0]; }

 private:
  Lifeline() = default;
  int ends_[2] = {-1, -1};
};

struct SpawnOptions {
  std::string program;
  std::vector<std::string> arguments;  // without the program
  std::string log;                     // stdout and stderr are appended here
  int lifeline = -1;                   // read end; -1: none
  bool new_session = false;            // setsid, for what outlives its terminal
};

// Starts it with stdin closed, no signal blocked, and in its own process group: a Ctrl-C in the
// terminal reaches the supervisor alone, which ends the children in order.
absl::StatusOr<pid_t> spawn(const SpawnOptions& options);

// The last non-empty line of a file, at most 300 bytes; empty when there is none.
std::string last_line(const std::string& path);

// "exit code 1", "signal 9 (Killed)" from waitpid's status.
std::string end_text(int wait_status);

}  // namespace espalier::cli
