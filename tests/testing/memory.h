// What the system says of this process's memory.
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

namespace espalier::testing {

// Bytes that a line of /proc/self/status tells; -1: it does not. VmRSS: resident now; VmHWM: the
// most so far; RssAnon: now, and of no file, so that the system could take them back only by
// swapping.
inline int64_t bytes_of(const std::string& line) {
  std::ifstream status("/proc/self/status");
  std::string name;
  int64_t kilobytes = 0;
  while (status >> name) {
    if (name == line + ":" && status >> kilobytes) return kilobytes * 1024;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return -1;
}

}  // namespace espalier::testing
