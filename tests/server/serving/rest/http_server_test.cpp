// The server over real sockets, with a handler that the test answers when it likes. Nothing sleeps:
// tests wait for what the server or its handler does.
#include "server/serving/rest/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace espalier::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A client that keeps its connection.
class Client {
 public:
  explicit Client(const HttpServer& server) : socket(io) {
    const std::string& address = server.address();
    socket.connect({asio::ip::make_address("127.0.0.1"),
                    static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)))});
  }
  void send(const std::string& text) { asio::write(socket, asio::buffer(text)); }
  void post(const std::string& body) {
    send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body);
  }
  http::response<http::string_body> receive() {
    http::response<http::string_body> response;
    boost::system::error_code error;
    http::read(socket, buffer, response, error);
    EXPECT_FALSE(error) << error.message();
    return response;
  }
  // True when the server closes the connection and has nothing more to say.
  bool closed() {
    char byte = 0;
    boost::system::error_code error;
    asio::read(socket, asio::buffer(&byte, 1), error);
    return error == asio::error::eof || error == asio::error::connection_reset;
  }

  asio::io_context io;
  tcp::socket socket;
  boost::beast::flat_buffer buffer;
};

class HttpServerTest : public ::testing::Test {
 protected:
  // What a call says of itself when it is cancelled.
  struct Held : Protocol::Call {
    explicit Held(std::promise<void>& cancelled) : cancelled(cancelled) {}
    void cancel() override {
      if (!std::exchange(done, true)) cancelled.set_value();
    }
    std::promise<void>& cancelled;
    bool done = false;
  };

  void start() {
    auto started = HttpServer::start(
        options,
        [this](RestRequest request, Routes::Answered answered) -> std::shared_ptr<Protocol::Call> {
          if (request.body != "hold") {
            answered({.body = request.method + " " + request.body});
            return nullptr;
          }
          held.set_value(std::move(answered));
          return std::make_shared<Held>(cancelled);
        });
    ASSERT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
  }
  static void wait(std::future<void> future) {
    ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  }
  Routes::Answered held_answer() {
    auto future = held.get_future();
    EXPECT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    return future.get();
  }

  HttpOptions options{.listen = "127.0.0.1:0", .max_body_bytes = 1000, .max_header_bytes = 2000};
  std::promise<Routes::Answered> held;
  std::promise<void> cancelled;
  std::unique_ptr<HttpServer> server;
};

TEST_F(HttpServerTest, AConnectionIsKept) {
  start();
  Client client(*server);
  for (const char* body : {"one", "two"}) {
    client.post(body);
    const auto response = client.receive();
    EXPECT_EQ(response.result_int(), 200U);
    EXPECT_EQ(response.body(), std::string("POST ") + body);
    EXPECT_EQ(response[http::field::content_type], "application/json");
  }
}

TEST_F(HttpServerTest, AConnectionIsClosedWhenTheClientSaysSo) {
  start();
  Client client(*server);
  client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().body(), "GET ");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  start();
  Client client(*server);
  std::string all;
  for (int i = 0; i < 20; ++i) {
    all += "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  }
  client.send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.receive().body(), "POST " + std::to_string(10 + i));
}

TEST_F(HttpServerTest, APipelinedRequestWaitsForTheAnswerBeforeIt) {
  start();
  Client client(*server);
  client.post("hold");
  const auto answer = held_answer();
  client.post("next");
  answer({.body = "first"});
  EXPECT_EQ(client.receive().body(), "first");
  EXPECT_EQ(client.receive().body(), "POST next");
}

TEST_F(HttpServerTest, AnAnswerCarriesTheSizeOfItsJson) {
  start();
  Client client(*server);
  client.post("hold");
  held_answer()({.body = "{}xy", .content_type = "application/octet-stream", .json_size = 2});
  EXPECT_EQ(client.receive()["Inference-Header-Content-Length"], "2");
}

TEST_F(HttpServerTest, TheAnswerToAHeadHasItsLengthAndNoBody) {
  start();
  Client client(*server);
  client.send("HEAD / HTTP/1.1\r\n\r\n");
  http::response_parser<http::empty_body> parser;
  parser.skip(true);
  http::read_header(client.socket, client.buffer, parser);
  EXPECT_EQ(parser.get()[http::field::content_length], "5");
  client.post("next");
  EXPECT_EQ(client.receive().body(), "POST next");
}

TEST_F(HttpServerTest, ChunkedBodiesAreRead) {
  start();
  Client client(*server);
  client.send(
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body(), "POST abc");
}

TEST_F(HttpServerTest, AClientThatAsksMayGoOn) {
  start();
  Client client(*server);
  client.send("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.receive().result_int(), 100U);
  client.send("ab");
  EXPECT_EQ(client.receive().body(), "POST ab");
}

TEST_F(HttpServerTest, ABodyAboveTheLimitIsRefusedAndTheConnectionEnds) {
  start();
  for (const std::string head :
       {"Content-Length: 1001\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"}) {
    Client client(*server);
    client.send("POST / HTTP/1.1\r\n" + head + std::string(1001, 'x'));
    const auto response = client.receive();
    EXPECT_EQ(response.result_int(), 413U);
    EXPECT_THAT(response.body(),
                HasSubstr("{\"error\":\"the body is above the limit of 1000 bytes\"}"));
    client.socket.shutdown(tcp::socket::shutdown_send);
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(HttpServerTest, AHeaderAboveTheLimitAndWhatIsNoHttpAreRefused) {
  start();
  Client wide(*server);
  wide.send("GET / HTTP/1.1\r\nX: " + std::string(3000, 'x'));
  EXPECT_EQ(wide.receive().result_int(), 431U);
  Client odd(*server);
  odd.send("what is this\r\n\r\n");
  EXPECT_EQ(odd.receive().result_int(), 400U);
}

TEST_F(HttpServerTest, SlowClientsAreClosedWithoutAWord) {
  options.idle = options.body = std::chrono::milliseconds(20);
  start();
  for (const char* text : {"", "GET / HT", "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"}) {
    Client client(*server);
    client.send(text);
    EXPECT_TRUE(client.closed()) << text;
  }
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsClosedInTheEnd) {
  options.write = std::chrono::milliseconds(20);
  start();
  Client client(*server);
  client.post("hold");
  // More than the kernel holds for one connection.
  held_answer()({.body = std::string(64 << 20, 'x')});
  server->shutdown(std::chrono::seconds(20));
  http::response_parser<http::string_body> parser;
  parser.body_limit(100 << 20);
  boost::system::error_code error;
  http::read(client.socket, client.buffer, parser, error);
  EXPECT_TRUE(error);
}

TEST_F(HttpServerTest, AClientThatHangsUpCancelsItsCall) {
  start();
  Routes::Answered answer;
  {
    Client client(*server);
    client.post("hold");
    answer = held_answer();
  }
  wait(cancelled.get_future());
  answer({.body = "nobody hears it"});
}

TEST_F(HttpServerTest, SilentClientsDoNotStarveOthers) {
  start();
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(std::make_unique<Client>(*server));
  Client client(*server);
  client.post("a");
  EXPECT_EQ(client.receive().body(), "POST a");
}

TEST_F(HttpServerTest, ShutdownAnswersWhatHasArrivedAndClosesTheRest) {
  start();
  Client idle(*server), busy(*server);
  idle.post("a");
  idle.receive();
  busy.post("hold");
  const auto answer = held_answer();
  std::thread closing([&] { server->shutdown(std::chrono::seconds(20)); });
  EXPECT_TRUE(idle.closed());
  answer({.body = "late"});
  const auto response = busy.receive();
  EXPECT_EQ(response.body(), "late");
  EXPECT_FALSE(response.keep_alive());
  busy.socket.close();
  closing.join();
}

TEST_F(HttpServerTest, ShutdownAnswersWhatIsPipelinedToo) {
  start();
  Client idle(*server), busy(*server);
  idle.post("a");
  idle.receive();
  busy.post("hold");
  const auto answer = held_answer();
  busy.post("next");
  std::thread closing([&] { server->shutdown(std::chrono::seconds(20)); });
  EXPECT_TRUE(idle.closed());
  answer({.body = "late"});
  EXPECT_TRUE(busy.receive().keep_alive());
  const auto last = busy.receive();
  EXPECT_EQ(last.body(), "POST next");
  EXPECT_FALSE(last.keep_alive());
  busy.socket.close();
  closing.join();
}

TEST_F(HttpServerTest, RetiringEndsConnectionsWithTheirAnswersAndTakesNewOnes) {
  start();
  Client old(*server);
  old.post("a");
  EXPECT_TRUE(old.receive().keep_alive());
  server->retire();
  Client late(*server);
  for (Client* client : {&old, &late}) {
    client->post("b");
    EXPECT_FALSE(client->receive().keep_alive());
    client->socket.shutdown(tcp::socket::shutdown_send);
    EXPECT_TRUE(client->closed());
  }
}

TEST_F(HttpServerTest, ShutdownCancelsWhatOutlivesTheGrace) {
  start();
  Client client(*server);
  client.post("hold");
  const auto answer = held_answer();
  std::thread closing([&] { server->shutdown(std::chrono::milliseconds(1)); });
  wait(cancelled.get_future());
  answer({.body = "cancelled"});
  closing.join();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, APortInUseIsRefusedWithAWayOut) {
  start();
  const auto second = HttpServer::start({.listen = server->address()}, {});
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("choose another with --http"));
}

}  // namespace
}  // namespace espalier::server
