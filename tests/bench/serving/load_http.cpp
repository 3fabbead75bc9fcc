#include "tests/bench/serving/load_http.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace espalier::load {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

struct HttpLanes::Shared {
  asio::io_context& io;
  const HttpTarget target;
  const std::vector<Body>& bodies;
  tcp::endpoint endpoint;
  std::vector<std::string> requests;  // as they go over the wire, by body
  size_t connects = 0;
};

namespace {

// A server may close a connection that rests; who asks at that moment learns nothing about it.
constexpr std::chrono::seconds kStale{10};

// One connection and its buffers, which live as long as an operation on them.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Answered = std::function<void(error_code, http::response<http::string_body>)>;

  explicit Connection(HttpLanes::Shared& shared) : shared_(shared), stream_(shared.io) {}

  void connect(std::function<void(error_code)> done) {
    stream_.expires_after(shared_.target.timeout);
    stream_.async_connect(shared_.endpoint,
                          [self = shared_from_this(), done = std::move(done)](error_code error) {
                            if (!error) {
                              ++self->shared_.connects;
                              self->stream_.socket().set_option(tcp::no_delay(true), error);
                            }
                            done(error);
                          });
  }

  void write(std::string_view bytes, std::function<void(error_code)> done) {
    stream_.expires_after(shared_.target.timeout);
    asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()),
                      [self = shared_from_this(), done = std::move(done)](error_code error,
                                                                          size_t) { done(error); });
  }

  void read(Answered done) {
    parser_.emplace();
    parser_->body_limit(64 << 20);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this(), done = std::move(done)](error_code error, size_t) {
                       done(error, self->parser_->release());
                     });
  }

  void close() {
    error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  HttpLanes::Shared& shared_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::string_body>> parser_;
};

class HttpLane : public Lane {
  // What comes after the lane has gone on is ignored.
  template <class Then>
  auto in_turn(Then then) {
    return [this, turn = turn_, alive = std::weak_ptr<int>(alive_), then](auto... arguments) {
      if (!alive.expired() && turn == turn_) then(*this, std::move(arguments)...);
    };
  }

 public:
  explicit HttpLane(HttpLanes::Shared& shared) : shared_(shared), patience_(shared.io) {}

  ~HttpLane() override {
    ++turn_;
    if (connection_ != nullptr) connection_->close();
  }

  void ask(const Ask& ask, std::function<void(Result)> done) override {
    ask_ = ask;
    done_ = std::move(done);
    if (connection_ != nullptr && std::chrono::steady_clock::now() - used_ > kStale) drop();
    if (connection_ != nullptr) return send();
    connection_ = std::make_shared<Connection>(shared_);
    connection_->connect(in_turn([](HttpLane& self, error_code error) {
      error ? self.fail({.outcome = error == beast::error::timeout ? "timeout" : "no connection",
                         .no_server = true})
            : self.send();
    }));
  }

 private:
  void send() {
    std::string_view bytes = shared_.requests[ask_.body];
    if (ask_.fate == Fate::kDie) bytes = bytes.substr(0, bytes.size() / 2);
    connection_->write(bytes, in_turn([](HttpLane& self, error_code error) {
                         if (error) return self.lost(error);
                         if (self.ask_.fate == Fate::kDie) return self.fail({.outcome = "died"});
                         self.wait();
                       }));
  }

  void wait() {
    if (ask_.fate == Fate::kCancel) {
      patience_.expires_after(ask_.patience);
      patience_.async_wait(in_turn([](HttpLane& self, error_code error) {
        if (!error) self.fail({.outcome = "cancelled"});
      }));
    }
    connection_->read(
        in_turn([](HttpLane& self, error_code error, http::response<http::string_body> answer) {
          error ? self.lost(error) : self.answered(std::move(answer));
        }));
  }

  void answered(http::response<http::string_body> answer) {
    if (!answer.keep_alive()) drop();
    Result result{.outcome = absl::StrCat(answer.result_int()),
                  .answered = answer.result() == http::status::ok};
    if (result.answered && !shared_.bodies[ask_.body].expected.is_null())
      result.found = value_at(answer.body(), shared_.target.pointer);
    finish(std::move(result));
  }

  void lost(error_code error) {
    fail({.outcome = error == beast::error::timeout ? "timeout" : "connection lost"});
  }

  void fail(Result result) {
    drop();
    finish(std::move(result));
  }

  void finish(Result result) {
    ++turn_;
    patience_.cancel();
    used_ = std::chrono::steady_clock::now();
    std::exchange(done_, nullptr)(std::move(result));
  }

  void drop() {
    connection_->close();
    connection_ = nullptr;
  }

  HttpLanes::Shared& shared_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  asio::steady_timer patience_;
  std::shared_ptr<Connection> connection_;
  std::chrono::steady_clock::time_point used_;
  uint64_t turn_ = 0;
  Ask ask_;
  std::function<void(Result)> done_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpLanes>> HttpLanes::make(asio::io_context& io,
                                                           const HttpTarget& target,
                                                           const std::vector<Body>& bodies) {
  const size_t colon = target.address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", target.address, "\" is not HOST:PORT, e.g. 127.0.0.1:7422"));
  }
  error_code error;
  const auto found = tcp::resolver(io).resolve(target.address.substr(0, colon),
                                               target.address.substr(colon + 1), error);
  if (error || found.empty())
    return absl::NotFoundError(absl::StrCat(target.address, ": ", error.message()));
  auto shared = std::make_unique<Shared>(Shared{io, target, bodies, found.begin()->endpoint()});
  for (const Body& body : bodies) {
    shared->requests.push_back(
        absl::StrCat("POST ", target.path, " HTTP/1.1\r\nHost: ", target.address,
                     "\r\nContent-Type: application/json\r\nContent-Length: ", body.json.size(),
                     "\r\n\r\n", body.json));
  }
  return std::unique_ptr<HttpLanes>(new HttpLanes(std::move(shared)));
}

HttpLanes::HttpLanes(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}
HttpLanes::~HttpLanes() = default;

std::unique_ptr<Lane> HttpLanes::lane() { return std::make_unique<HttpLane>(*shared_); }

size_t HttpLanes::connects() const { return shared_->connects; }

}  // namespace espalier::load
