// One supervisor a data folder, and what it leaves for `status` and `down`.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier::cli {

// $XDG_DATA_HOME/espalier or ~/.local/share/espalier.
std::string default_data_folder();

// An flock on DATA/up.lock, which holds our pid; released with the object or with the process.
class DataLock {
 public:
  // A usage error: "DATA is in use by 'espalier up' with pid 123; ...".
  static absl::StatusOr<DataLock> take(const std::string& data);
  // The pid that holds the lock; 0: nobody.
  static pid_t holder(const std::string& data);
  DataLock(DataLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  DataLock& operator=(DataLock&&) = delete;
  ~DataLock();

 private:
  explicit DataLock(int fd) : fd_(fd) {}
  int fd_;
};

struct ProcessState {
  std::string name;
  std::string address, rest, admin;  // gRPC, REST, metrics and probes; empty: none
  std::string log;
  pid_t pid = 0;  // 0: not running now
  bool ready = false;
  int restarts = 0;
  std::string last_end;  // "signal 9 (Killed)"; empty: it never ended
};

Json to_json(const ProcessState& state);
// DATA/up.json.
absl::Status write_state(const std::string& data, const std::vector<ProcessState>& processes);
absl::StatusOr<std::vector<ProcessState>> read_state(const std::string& data);

}  // namespace espalier::cli
