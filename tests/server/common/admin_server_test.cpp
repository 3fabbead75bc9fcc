#include "server/common/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio.hpp>
#include <stdexcept>
#include <vector>

namespace espalier::server {
namespace {

using boost::asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

class AdminServerTest : public testing::Test {
 protected:
  std::unique_ptr<AdminServer> start(const std::string& address) {
    auto server = AdminServer::start(
        address, {[this] {
                    if (broken_) throw std::runtime_error("broken");
                    return std::string("up 1\n");
                  },
                  [this] {
                    return ready_ ? Readiness{true, ""} : Readiness{false, "starting"};
                  }});
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }

  tcp::socket connect(const AdminServer& server) {
    auto colon = server.address().rfind(':');
    tcp::socket socket(io_);
    socket.connect({boost::asio::ip::make_address("127.0.0.1"),
                    static_cast<uint16_t>(std::stoi(server.address().substr(colon + 1)))});
    return socket;
  }
  static void send(tcp::socket& socket, const std::string& text) {
    boost::asio::write(socket, boost::asio::buffer(text));
  }
  // Up to the end of the connection.
  static std::string rest(tcp::socket& socket) {
    std::string text;
    boost::system::error_code error;
    boost::asio::read(socket, boost::asio::dynamic_buffer(text), error);
    return text;
  }
  std::string get(const AdminServer& server, const std::string& path, const char* method = "GET") {
    auto socket = connect(server);
    send(socket,
         std::string(method) + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return rest(socket);
  }

  boost::asio::io_context io_;
  std::atomic<bool> ready_{false}, broken_{false};
};

TEST_F(AdminServerTest, ServesItsThreePages) {
  auto server = start("127.0.0.1:0");
  EXPECT_THAT(get(*server, "/livez"), StartsWith("HTTP/1.1 200"));
  auto metrics = get(*server, "/metrics?x=1");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, HasSubstr("version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("\r\n\r\nup 1\n"));
}

TEST_F(AdminServerTest, ReadinessFollowsTheCallbackAndSaysWhyNot) {
  auto server = start("localhost:0");
  auto page = get(*server, "/readyz");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(page, HasSubstr("starting"));
  ready_ = true;
  EXPECT_THAT(get(*server, "/readyz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, HeadHasTheLengthButNoBody) {
  auto server = start("127.0.0.1:0");
  auto page = get(*server, "/metrics", "HEAD");
  EXPECT_THAT(page, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(page, testing::EndsWith("\r\n\r\n"));
}

TEST_F(AdminServerTest, OtherPathsMethodsAndProtocolsAreRefused) {
  auto server = start("127.0.0.1:0");
  EXPECT_THAT(get(*server, "/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get(*server, "/metrics", "DELETE"), StartsWith("HTTP/1.1 405"));
  auto socket = connect(*server);
  send(socket, "what is this\r\n\r\n");
  EXPECT_THAT(rest(socket), StartsWith("HTTP/1.1 400"));
  auto posting = connect(*server);
  send(posting, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(rest(posting), StartsWith("HTTP/1.1 405"));
}

TEST_F(AdminServerTest, AnEndlessHeaderIsRefused) {
  auto server = start("127.0.0.1:0");
  auto socket = connect(*server);
  send(socket, "GET /livez HTTP/1.1\r\nX: " + std::string(9000, 'x'));
  EXPECT_THAT(rest(socket), StartsWith("HTTP/1.1 431"));
}

TEST_F(AdminServerTest, APageThatThrowsIsA500) {
  auto server = start("127.0.0.1:0");
  broken_ = true;
  EXPECT_THAT(get(*server, "/metrics"), StartsWith("HTTP/1.1 500"));
}

TEST_F(AdminServerTest, SilentClientsDoNotStarveOthersAndConnectionsAreKept) {
  auto server = start("127.0.0.1:0");
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(connect(*server));
  auto socket = connect(*server);
  for (int i = 0; i < 3; ++i) {
    send(socket, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    std::string text;
    boost::asio::read_until(socket, boost::asio::dynamic_buffer(text), "\r\n\r\nok\n");
    EXPECT_THAT(text, StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(AdminServerTest, APortInUseIsRefusedWithAWayOut) {
  auto server = start("127.0.0.1:0");
  auto second = AdminServer::start(server->address(), {});
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("choose another with --admin"));
}

}  // namespace
}  // namespace espalier::server
