// How a daemon learns that it shall stop. Nothing runs in a signal handler: SIGTERM and SIGINT are
// blocked in every thread, and one thread waits for them.
//
//   int main() {
//     if (auto status = block_stop_signals(); !status.ok()) ...   // before any thread exists
//     ... start things ...
//     std::string why = wait_for_stop();
//     ... stop things in order ...
//   }
#pragma once

#include <string>

#include "absl/status/status.h"

namespace espalier::server {

// Names the file descriptor of a pipe whose other end the supervisor holds: when it reads end of
// file, the supervisor is gone, which means the same as SIGTERM.
inline constexpr char kLifelineVariable[] = "ESPALIER_LIFELINE_FD";

// Call first in main, before any thread starts (threads inherit the mask). Also ignores SIGPIPE,
// keeps the lifeline from being inherited by child processes, and is INVALID_ARGUMENT when the
// variable does not name an open file descriptor.
absl::Status block_stop_signals();

// Blocks until SIGTERM, SIGINT, the end of the lifeline or request_stop(); says which. One thread
// at a time may wait; it may wait again (a second Ctrl-C).
std::string wait_for_stop();

// The same as a SIGTERM from outside, for a fault that ends the process in order.
void request_stop();

}  // namespace espalier::server
