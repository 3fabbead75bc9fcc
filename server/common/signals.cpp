#include "server/common/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

// Signals belong to the process, so these do too.
int signal_fd = -1;
int lifeline_fd = -1;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

absl::Status find_lifeline() {
  const char* text = std::getenv(kLifelineVariable);
  if (text == nullptr || *text == '\0') return absl::OkStatus();
  int fd = -1;
  if (!absl::SimpleAtoi(text, &fd) || fd < 0 || fcntl(fd, F_GETFD) < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        kLifelineVariable, " is \"", text, "\"; it must be the number of an open file descriptor"));
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  lifeline_fd = fd;
  return absl::OkStatus();
}

// True at end of file. What a supervisor might write into the pipe means nothing.
bool lifeline_ended() {
  char buffer[256];
  ssize_t got;
  do {
    got = read(lifeline_fd, buffer, sizeof buffer);
  } while (got < 0 && errno == EINTR);
  return got == 0 || (got < 0 && errno != EAGAIN);
}

}  // namespace

absl::Status block_stop_signals() {
  sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  if (signal_fd < 0) signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
  if (signal_fd < 0) return absl::InternalError(absl::StrCat("signalfd: ", std::strerror(errno)));
  return find_lifeline();
}

std::string wait_for_stop() {
  while (true) {
    pollfd fds[2] = {{signal_fd, POLLIN, 0},
                     {lifeline_fd, POLLIN, 0}};  // poll skips a negative one
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents != 0) {
      signalfd_siginfo info;
      if (read(signal_fd, &info, sizeof info) == sizeof info) {
        return info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
      }
    }
    if (fds[1].revents != 0 && lifeline_ended()) {
      close(lifeline_fd);
      lifeline_fd = -1;
      return "the supervisor is gone";
    }
  }
}

void request_stop() { kill(getpid(), SIGTERM); }

}  // namespace espalier::server
