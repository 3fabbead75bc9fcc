#include "client/cli/supervisor/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"

namespace espalier::cli {
namespace {

std::string lock_path(const std::string& data) { return data + "/up.lock"; }
std::string state_path(const std::string& data) { return data + "/up.json"; }

pid_t pid_in(const std::string& data) {
  auto text = read_file(lock_path(data));
  int pid = 0;
  return text.ok() && absl::SimpleAtoi(*text, &pid) ? pid : 0;
}

}  // namespace

std::string default_data_folder() {
  if (const char* xdg = std::getenv("XDG_DATA_HOME"); xdg != nullptr && *xdg != '\0') {
    return std::string(xdg) + "/espalier";
  }
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr && *home != '\0' ? home : ".") + "/.local/share/espalier";
}

absl::StatusOr<DataLock> DataLock::take(const std::string& data) {
  ESPALIER_RETURN_IF_ERROR(make_folders(data));
  DataLock lock(open(lock_path(data).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.fd_ < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", lock_path(data)));
  if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    return usage_error(absl::StrCat(data, " is in use by 'espalier up' with pid ", pid_in(data),
                                    "; stop it with 'espalier down --data ", data,
                                    "', or choose another folder with --data"));
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock.fd_, 0) != 0 ||
      pwrite(lock.fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", lock_path(data)));
  }
  return lock;
}

pid_t DataLock::holder(const std::string& data) {
  const int fd = open(lock_path(data).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return held ? pid_in(data) : 0;
}

DataLock::~DataLock() {
  if (fd_ >= 0) close(fd_);
}

Json to_json(const ProcessState& state) {
  return {{"name", state.name},   {"pid", state.pid},           {"address", state.address},
          {"rest", state.rest},   {"admin", state.admin},       {"log", state.log},
          {"ready", state.ready}, {"restarts", state.restarts}, {"last_end", state.last_end}};
}

absl::Status write_state(const std::string& data, const std::vector<ProcessState>& processes) {
  Json document = {{"pid", getpid()}, {"processes", Json::array()}};
  for (const auto& process : processes) document["processes"].push_back(to_json(process));
  return write_file(state_path(data), document.dump(2) + "\n");
}

absl::StatusOr<std::vector<ProcessState>> read_state(const std::string& data) {
  ESPALIER_ASSIGN_OR_RETURN(auto document, read_json(state_path(data)));
  std::vector<ProcessState> processes;
  ESPALIER_RETURN_IF_ERROR(guard("reading up.json", [&] {
    for (const auto& json : document.at("processes")) {
      processes.push_back({json.at("name"), json.at("address"), json.value("rest", ""),
                           json.at("admin"), json.at("log"), json.at("pid"), json.at("ready"),
                           json.at("restarts"), json.at("last_end")});
    }
  }));
  return processes;
}

}  // namespace espalier::cli
