#include "server/worker/verify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

std::string manifest_path(const std::string& folder) { return folder + ".sha256"; }

// A child inherits blocked and ignored signals through exec; this one shall hear all of them.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &pipe);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// Everything up to the end of the pipe; kills the child when `abandon` says so.
std::string read_all(int fd, pid_t child, const std::function<bool()>& abandon, bool& killed) {
  std::string text;
  char buffer[4096];
  while (true) {
    if (!killed && abandon && abandon()) {
      kill(child, SIGKILL);
      killed = true;
    }
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, 100) <= 0) continue;
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

std::string last_line(absl::string_view text) {
  absl::ConsumeSuffix(&text, "\n");
  size_t start = text.rfind('\n');
  return std::string(start == absl::string_view::npos ? text : text.substr(start + 1));
}

}  // namespace

absl::Status write_manifest(const std::string& folder,
                            const std::vector<espalier::v1::File>& files) {
  std::string text;
  for (const auto& file : files) absl::StrAppend(&text, file.sha256(), "  ", file.path(), "\n");
  return write_file(manifest_path(folder), text);
}

absl::Status check_manifest(const std::string& folder) {
  ESPALIER_ASSIGN_OR_RETURN(std::string text, read_file(manifest_path(folder)));
  ESPALIER_ASSIGN_OR_RETURN(auto names, list_files(folder));
  std::set<std::string> unlisted(names.begin(), names.end());
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    std::pair<std::string, std::string> entry = absl::StrSplit(line, absl::MaxSplits("  ", 1));
    const auto& [expected, name] = entry;
    ESPALIER_ASSIGN_OR_RETURN(std::string found, sha256_of_file(folder + "/" + name));
    if (found != expected) {
      return absl::DataLossError(absl::StrCat(name, " was uploaded with hash ", expected,
                                              " and has hash ", found, " now"));
    }
    unlisted.erase(name);
  }
  if (!unlisted.empty()) {
    return absl::DataLossError(
        absl::StrCat(*unlisted.begin(), " is in the folder but was not uploaded"));
  }
  return absl::OkStatus();
}

absl::Status run_child(const std::vector<std::string>& command,
                       const std::function<bool()>& abandon) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  std::vector<char*> arguments;
  for (const auto& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  SpawnAttributes attributes;
  pid_t child = 0;
  int error =
      posix_spawn(&child, arguments[0], &actions, attributes.get(), arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", command[0]));
  }
  bool killed = false;
  std::string output = read_all(ends[0], child, abandon, killed);
  close(ends[0]);
  int state = 0;
  while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (killed) return absl::CancelledError("the check was abandoned");
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return absl::OkStatus();
  std::string how = WIFSIGNALED(state) ? absl::StrCat("was ended by signal ", WTERMSIG(state))
                                       : absl::StrCat("ended with exit code ", WEXITSTATUS(state));
  return absl::InternalError(absl::StrCat("the check ", how, ": ", last_line(output)));
}

}  // namespace espalier::server
