#include "client/cli/supervisor/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace espalier::cli {
namespace {

// Where a child finds its lifeline; server/common/signals.h reads this variable.
constexpr char kLifelineVariable[] = "ESPALIER_LIFELINE_FD";
constexpr int kLifelineFd = 3;

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  explicit Attributes(bool new_session) {
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    const int group = new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(
        &attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group));
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

absl::StatusOr<Lifeline> Lifeline::make() {
  Lifeline lifeline;
  if (pipe2(lifeline.ends_, O_CLOEXEC) != 0)
    return absl::ErrnoToStatus(errno, "cannot make a pipe");
  return lifeline;
}

Lifeline::Lifeline(Lifeline&& other) noexcept {
  std::swap(ends_[0], other.ends_[0]);
  std::swap(ends_[1], other.ends_[1]);
}

Lifeline::~Lifeline() {
  for (int end : ends_) {
    if (end >= 0) close(end);
  }
}

absl::StatusOr<pid_t> spawn(const SpawnOptions& options) {
  FileActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(actions.get(), STDOUT_FILENO, options.log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(actions.get(), STDOUT_FILENO, STDERR_FILENO);
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!absl::StartsWith(*variable, absl::StrCat(kLifelineVariable, "=")))
      environment.emplace_back(*variable);
  }
  if (options.lifeline >= 0) {
    posix_spawn_file_actions_adddup2(actions.get(), options.lifeline, kLifelineFd);
    environment.push_back(absl::StrCat(kLifelineVariable, "=", kLifelineFd));
  }
  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), options.program);
  Attributes attributes(options.new_session);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, options.program.c_str(), actions.get(), attributes.get(),
                                pointers(arguments).data(), pointers(environment).data());
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", options.program));
  return pid;
}

std::string last_line(const std::string& path) {
  std::ifstream in(path);
  in.seekg(0, std::ios::end);
  in.seekg(std::max<std::streamoff>(0, static_cast<std::streamoff>(in.tellg()) - 4096));
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return last.substr(0, 300);
}

std::string end_text(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return absl::StrCat("signal ", WTERMSIG(wait_status), " (", strsignal(WTERMSIG(wait_status)),
                        ")");
  }
  return absl::StrCat("exit code ", WEXITSTATUS(wait_status));
}

}  // namespace espalier::cli
