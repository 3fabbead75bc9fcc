#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/control/inspect.h"

namespace espalier::server {
namespace {

constexpr auto kLongest = std::chrono::minutes(10);
constexpr size_t kLongestAnswer = 16 << 20;

// argv only, standard output into `out`, no other descriptor, no blocked signal. posix_spawn,
// because this process has gRPC's threads.
absl::StatusOr<pid_t> spawn(std::vector<std::string> arguments, int out) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

  pid_t child = -1;
  const int code =
      ::posix_spawn(&child, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0)
    return absl::UnavailableError(absl::StrCat("cannot start the check: ", std::strerror(code)));
  return child;
}

// Everything until end of file; empty when stopped, too long or too late.
std::string read_answer(int in, const std::atomic<bool>& stop) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  std::string answer;
  while (!stop && answer.size() < kLongestAnswer && std::chrono::steady_clock::now() < deadline) {
    pollfd wait{in, POLLIN, 0};
    if (::poll(&wait, 1, 200) <= 0) continue;
    char bytes[64 << 10];
    const ssize_t n = ::read(in, bytes, sizeof bytes);
    if (n == 0) return answer;
    if (n < 0 && errno != EINTR) break;
    if (n > 0) answer.append(bytes, n);
  }
  return "";
}

std::string how_it_ended(int status) {
  if (WIFEXITED(status)) return absl::StrCat("exit code ", WEXITSTATUS(status));
  if (WIFSIGNALED(status))
    return absl::StrCat("signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")");
  return "unknown end";
}

// Runs the child to its end and reads its answer.
absl::StatusOr<Json> ask_child(std::vector<std::string> arguments, const std::atomic<bool>& stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return absl::UnavailableError("cannot start the check: no pipe");
  auto child = spawn(std::move(arguments), ends[1]);
  ::close(ends[1]);
  if (!child.ok()) {
    ::close(ends[0]);
    return child.status();
  }
  const std::string answer = read_answer(ends[0], stop);
  ::close(ends[0]);
  if (answer.empty()) ::kill(*child, SIGKILL);
  int status = 0;
  while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  if (stop) return absl::CancelledError("the check was stopped");
  Json parsed = Json::parse(answer, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("ok")) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the check gave no answer within its limits (4 GiB of memory, 120 s of CPU): ",
                     how_it_ended(status)));
  }
  return parsed;
}

}  // namespace

absl::StatusOr<Json> SpawnInspector::run(ResourceKind kind, const std::string& folder,
                                         const Json& spec, const std::atomic<bool>& stop) {
  if (kind == ResourceKind::kModel) {
    return ask_child({"espalierd", "--inspect", "model", folder}, stop);
  }
  // In a file beside the folder: one argument holds at most 128 KiB.
  const std::string path = folder + ".spec.json";
  ESPALIER_RETURN_IF_ERROR(write_file(path, spec.dump()));
  auto answer = ask_child({"espalierd", "--inspect", "dataset", folder, path}, stop);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return answer;
}

}  // namespace espalier::server
