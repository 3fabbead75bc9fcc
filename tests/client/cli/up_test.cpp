// What `up`, `status` and `down` share: lock, state file, ports.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "client/cli/exit_code.h"
#include "client/cli/supervisor/lock.h"
#include "client/cli/supervisor/probe.h"
#include "client/cli/up_status.h"

namespace espalier::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string fresh_folder() {
  std::string folder = ::testing::TempDir() + "/up_test_" + std::to_string(getpid());
  std::filesystem::remove_all(folder);
  return folder;
}

// Listens on a free port of the loopback.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 4), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

 private:
  int fd_, port_ = 0;
};

TEST(DataLock, LetsOneSupervisorInAndNamesIt) {
  const std::string data = fresh_folder();
  EXPECT_EQ(DataLock::holder(data), 0);
  {
    auto lock = DataLock::take(data);
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_EQ(DataLock::holder(data), getpid());
    EXPECT_THAT(std::string(DataLock::take(data).status().message()),
                HasSubstr("'espalier up' with pid " + std::to_string(getpid())));
  }
  EXPECT_EQ(DataLock::holder(data), 0);
}

TEST(StateFile, ComesBackAsItWasWritten) {
  const std::string data = fresh_folder();
  std::filesystem::create_directories(data);
  ASSERT_TRUE(write_state(data, {{.name = "espalierd",
                                  .address = "a",
                                  .rest = "r",
                                  .admin = "b",
                                  .log = "c",
                                  .pid = 7,
                                  .ready = true,
                                  .restarts = 2,
                                  .last_end = "exit code 1"}})
                  .ok());
  auto states = read_state(data);
  ASSERT_TRUE(states.ok()) << states.status();
  EXPECT_EQ(to_json((*states)[0])["restarts"], 2);
  EXPECT_EQ((*states)[0].pid, 7);
  EXPECT_EQ((*states)[0].rest, "r");
  EXPECT_THAT(status_text(*states), HasSubstr("espalierd  ready"));
}

TEST(Status, ShowsWhereAProcessIsReachedAndADashWhereItIsNot) {
  const std::string text = status_text(
      {{.name = "serve", .address = "a:1", .rest = "b:2"}, {.name = "worker", .admin = "c:3"}});
  EXPECT_THAT(text, HasSubstr("ADDRESS  REST  ADMIN"));
  EXPECT_THAT(text, HasSubstr("a:1      b:2   -"));
  EXPECT_THAT(text, HasSubstr("-        -     c:3"));
}

TEST(Port, ThatIsInUseIsNamedWithTheFlagThatChangesIt) {
  Listener listener;
  auto status = check_port_free(listener.address(), "espalierd --listen", "--listen");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("port " + std::to_string(listener.port()) +
                        " (espalierd --listen) is in use; choose another with --listen, or stop"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'deploy/quickstart --stop'"));
  EXPECT_EQ(exit_code_of(status), ExitCode::kUsage);
}

TEST(Port, ThatIsFreeIsFreeAgainAfterTheCheck) {
  std::string address;
  {
    Listener listener;
    address = listener.address();
  }
  EXPECT_TRUE(check_port_free(address, "x", "--x").ok());
  EXPECT_TRUE(check_port_free(address, "x", "--x").ok());
}

TEST(Readiness, OfASilentOrAbsentServerIsNo) {
  Listener listener;
  EXPECT_FALSE(is_ready(listener.address(), absl::Milliseconds(20)));
  EXPECT_FALSE(is_ready("127.0.0.1:1"));
}

TEST(Detach, InNoSpellingReachesTheDetachedProcess) {
  EXPECT_THAT(without_detach({"up", "--detach", "--detach=true", "--detach=1", "--data", "detach"}),
              ElementsAre("up", "--data", "detach"));
}

TEST(Address, OfAWildcardIsReachedOverLoopback) {
  EXPECT_EQ(reachable("0.0.0.0:7400"), "127.0.0.1:7400");
  EXPECT_EQ(reachable("[::]:7400"), "[::1]:7400");
  EXPECT_EQ(reachable("10.0.0.1:7400"), "10.0.0.1:7400");
  EXPECT_FALSE(split_address("7400").ok());
  EXPECT_FALSE(split_address("host:70000").ok());
}

}  // namespace
}  // namespace espalier::cli
