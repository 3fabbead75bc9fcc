#include "server/serving/rest/http_connection.h"

#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace espalier::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// How long a client that is refused may go on sending before the connection is cut: cutting it at
// once would take the refusal from it.
constexpr std::chrono::seconds kLinger{2};

std::string text_of_field(const http::request<http::string_body>& request,
                          beast::string_view name) {
  const beast::string_view value = request[name];
  return {value.data(), value.size()};
}

RestRequest rest_request(http::request<http::string_body>&& request) {
  const beast::string_view method = request.method_string(), target = request.target();
  return {.method = {method.data(), method.size()},
          .target = {target.data(), target.size()},
          .json_size = text_of_field(request, "Inference-Header-Content-Length"),
          .content_encoding = text_of_field(request, "Content-Encoding"),
          .body = std::move(request.body())};
}

http::response<http::string_body> http_response(RestResponse&& answer) {
  http::response<http::string_body> response;
  response.result(static_cast<unsigned>(answer.status));
  response.set(http::field::content_type, answer.content_type);
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (answer.json_size.has_value()) {
    response.set("Inference-Header-Content-Length", std::to_string(*answer.json_size));
  }
  response.content_length(answer.body.size());
  response.body() = std::move(answer.body);
  return response;
}

bool is_bad_http(error_code error) {
  return error.category() == make_error_code(http::error::bad_target).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

}  // namespace

// All of it runs on the connection's strand. Lives as long as one of its operations or its call is
// pending.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(tcp::socket socket, HttpHub& hub)
      : membership_{hub, this}, hub_(hub), stream_(std::move(socket)) {}

  auto executor() { return stream_.get_executor(); }

  void start() {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    stream_.socket().non_blocking(true, ignored);
    next_request();
  }

  // Ends after the requests that have arrived, now if there is none.
  void retire() {
    if (state_ == State::kIdle) stream_.cancel();  // on_header() goes on
  }

  // Ends now.
  void hang_up() {
    state_ = State::kGone;
    if (call_ != nullptr) call_->cancel();
    call_.reset();
    stream_.close();
  }

 private:
  enum class State { kIdle, kReading, kAsking, kWriting, kGone };
  struct Membership {
    HttpHub& hub;
    const HttpConnection* connection;
    ~Membership() { hub.forget(connection); }
  };

  // What follows an operation: keeps the connection alive, and does nothing once it was hung up,
  // also where the operation had ended well before.
  template <class F>
  auto on_strand(F function) {
    return [self = shared_from_this(), function](error_code error, size_t = 0) {
      if (self->state_ != State::kGone) function(*self, error);
    };
  }

  // Whether another request has arrived, or begun to.
  bool has_input() {
    error_code ignored;
    return buffer_.size() > 0 || stream_.socket().available(ignored) > 0;
  }

  void next_request() {
    state_ = State::kIdle;
    bodiless_ = false;
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(hub_.options.max_header_bytes));
    parser_->body_limit(hub_.options.max_body_bytes);
    read_header();
  }

  void read_header() {
    if (hub_.closing() && !has_input()) return stream_.close();
    stream_.expires_after(hub_.options.idle);
    http::async_read_header(stream_, buffer_, *parser_,
                            on_strand([](auto& self, error_code error) { self.on_header(error); }));
  }

  void on_header(error_code error) {
    if (error == asio::error::operation_aborted) return read_header();  // by retire()
    if (error) return refuse(error);
    state_ = State::kReading;
    if (parser_->is_done()) return ask();
    if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) return read_body();
    stream_.expires_after(hub_.options.write);
    continue_.result(http::status::continue_);
    http::async_write(stream_, continue_, on_strand([](auto& self, error_code failed) {
                        if (!failed) self.read_body();
                      }));
  }

  void read_body() {
    stream_.expires_after(hub_.options.body);
    http::async_read(stream_, buffer_, *parser_, on_strand([](auto& self, error_code error) {
                       error ? self.refuse(error) : self.ask();
                     }));
  }

  // A request that could not be read is answered where that makes sense, and is the last.
  void refuse(error_code error) {
    if (error == http::error::header_limit) {
      write(error_response(431, "the header is too long"), false);
    } else if (error == http::error::body_limit) {
      write(error_response(413, "the body is above the limit of " +
                                    std::to_string(hub_.options.max_body_bytes) + " bytes"),
            false);
    } else if (is_bad_http(error)) {
      write(error_response(400, "this is not HTTP/1.1"), false);
    }
  }

  void ask() {
    state_ = State::kAsking;
    stream_.expires_never();
    keep_alive_ = parser_->get().keep_alive();
    version_ = parser_->get().version();
    bodiless_ = parser_->get().method() == http::verb::head;
    // Given up with the answer: whoever keeps copies of the callback does not keep the connection.
    const auto self = std::make_shared<std::shared_ptr<HttpConnection>>(shared_from_this());
    RestRequest request = rest_request(parser_->release());
    request.soon = [weak = weak_from_this()](std::function<void()> function) {
      if (const auto connection = weak.lock()) {
        asio::post(connection->executor(), std::move(function));
      }
    };
    call_ = hub_.handler(std::move(request), [self](RestResponse answer) {
      const std::shared_ptr<HttpConnection> connection = std::exchange(*self, nullptr);
      asio::post(connection->executor(), [connection, answer = std::move(answer)]() mutable {
        connection->on_answer(std::move(answer));
      });
    });
    if (call_ != nullptr) watch();
  }

  // For the client's end of the connection, while the call runs.
  void watch() {
    stream_.socket().async_wait(tcp::socket::wait_read, on_strand([](auto& self, error_code error) {
                                  if (!error) self.on_readable();
                                }));
  }

  void on_readable() {
    if (state_ != State::kAsking) return;
    char next = 0;
    error_code error;
    stream_.socket().receive(asio::buffer(&next, 1), tcp::socket::message_peek, error);
    // A byte is the next request, which waits its turn; "try again" was a false alarm.
    if (error == asio::error::would_block || error == asio::error::try_again) return watch();
    if (error) hang_up();
  }

  void on_answer(RestResponse answer) {
    call_.reset();
    if (state_ != State::kAsking) return;
    error_code ignored;
    stream_.socket().cancel(ignored);  // the watch
    write(std::move(answer), keep_alive_ && (!hub_.ending() || has_input()));
  }

  void write(RestResponse answer, bool keep_alive) {
    state_ = State::kWriting;
    response_ = http_response(std::move(answer));
    response_.version(version_);
    response_.keep_alive(keep_alive);
    if (bodiless_) response_.body().clear();  // its length stays
    stream_.expires_after(hub_.options.write);
    http::async_write(stream_, response_, on_strand([keep_alive](auto& self, error_code error) {
                        if (error) return;
                        keep_alive ? self.next_request() : self.linger();
                      }));
  }

  // Reads away what the client still sends, until it has closed its half too.
  void linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLinger);
    discard();
  }

  void discard() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(16 << 10), on_strand([](auto& self, error_code error) {
                              if (!error) self.discard();
                            }));
  }

  // Ends last: the hub may go, and I/O with it, once it knows of no connection. The end may come on
  // the thread that brought an answer.
  const Membership membership_;
  HttpHub& hub_;
  beast::tcp_stream stream_;
  State state_ = State::kIdle;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::empty_body> continue_;
  http::response<http::string_body> response_;
  std::shared_ptr<Protocol::Call> call_;
  bool keep_alive_ = false;
  unsigned version_ = 11;
  bool bodiless_ = false;
};

void HttpHub::welcome(tcp::socket socket) {
  std::shared_ptr<HttpConnection> connection;
  {
    std::lock_guard lock(mutex_);
    if (closing_ || connections_.size() >= static_cast<size_t>(options.max_connections)) return;
    connection = std::make_shared<HttpConnection>(std::move(socket), *this);
    connections_.emplace(connection.get(), connection);
  }
  asio::post(connection->executor(), [connection] { connection->start(); });
}

void HttpHub::retire() { ending_ = true; }

void HttpHub::forget(const HttpConnection* connection) {
  std::lock_guard lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty()) none_left_.notify_all();
}

void HttpHub::tell_all(void (HttpConnection::*what)()) {
  std::vector<std::shared_ptr<HttpConnection>> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, weak] : connections_) {
      if (auto connection = weak.lock()) all.push_back(std::move(connection));
    }
  }
  for (const auto& connection : all) {
    asio::post(connection->executor(), [connection, what] { (*connection.*what)(); });
  }
}

void HttpHub::close(std::chrono::milliseconds grace) {
  {
    std::lock_guard lock(mutex_);
    ending_ = closing_ = true;
  }
  tell_all(&HttpConnection::retire);
  {
    std::unique_lock lock(mutex_);
    if (none_left_.wait_for(lock, grace, [this] { return connections_.empty(); })) return;
  }
  tell_all(&HttpConnection::hang_up);
  std::unique_lock lock(mutex_);
  none_left_.wait(lock, [this] { return connections_.empty(); });
}

}  // namespace espalier::server
