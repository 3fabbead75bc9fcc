#include "server/common/admin_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/common/listen.h"

namespace espalier::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kMaxHeader = 8 * 1024;
constexpr std::chrono::seconds kIdle{30};
constexpr int kMaxConnections = 256;

using Response = http::response<http::string_body>;

Response text_response(http::status status, std::string body,
                       const char* type = "text/plain; charset=utf-8") {
  Response response{status, 11};
  response.set(http::field::content_type, type);
  response.set(http::field::cache_control, "no-store");
  response.body() = std::move(body);
  return response;
}

Response page(const AdminServer::Pages& pages, std::string_view path) {
  if (path == "/metrics") {
    return text_response(http::status::ok, pages.metrics(),
                         "text/plain; version=0.0.4; charset=utf-8");
  }
  if (path == "/livez") return text_response(http::status::ok, "ok\n");
  if (path == "/readyz") {
    Readiness now = pages.readiness();
    if (now.reason.empty()) now.reason = now.ready ? "ok" : "not ready";
    return text_response(now.ready ? http::status::ok : http::status::service_unavailable,
                         now.reason + "\n");
  }
  return text_response(http::status::not_found, "not found; try /metrics, /livez or /readyz\n");
}

Response answer(const AdminServer::Pages& pages, http::verb method, std::string_view target) {
  if (method != http::verb::get && method != http::verb::head) {
    auto response = text_response(http::status::method_not_allowed, "only GET and HEAD\n");
    response.set(http::field::allow, "GET, HEAD");
    return response;
  }
  try {
    return page(pages, target.substr(0, target.find('?')));
  } catch (...) {
    auto status = status_of_current_exception("admin page");
    spdlog::error("{}", status.ToString());
    return text_response(http::status::internal_server_error, "internal error\n");
  }
}

// One connection: read a header, answer, again. Lives as long as one of its operations is pending.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const AdminServer::Pages& pages, int& open)
      : stream_(std::move(socket)), pages_(pages), open_(open) {
    ++open_;
  }
  ~Connection() { --open_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    stream_.expires_after(kIdle);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) { self->on_header(error); });
  }

 private:
  void on_header(error_code error) {
    if (error == http::error::header_limit) {
      return write(
          text_response(http::status::request_header_fields_too_large, "header above 8 KB\n"),
          false, false);
    }
    if (error.category() == make_error_code(http::error::bad_target).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return write(text_response(http::status::bad_request, "not HTTP/1.1\n"), false, false);
    }
    if (error) return;  // closed, timed out or shut down
    const auto& request = parser_->get();
    std::string_view target(request.target().data(), request.target().size());
    // A body is never read, so a connection that carries one cannot go on.
    write(answer(pages_, request.method(), target), request.keep_alive() && parser_->is_done(),
          request.method() == http::verb::head);
  }

  void write(Response response, bool keep_alive, bool head) {
    response_ = std::move(response);
    response_.keep_alive(keep_alive);
    response_.content_length(response_.body().size());
    if (head) response_.body().clear();
    stream_.expires_after(kIdle);
    http::async_write(stream_, response_,
                      [self = shared_from_this(), keep_alive](error_code error, size_t) {
                        if (error) return;
                        if (keep_alive) return self->read();
                        error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  Response response_;
  const AdminServer::Pages& pages_;
  int& open_;
};

}  // namespace

struct AdminServer::Impl {
  Pages pages;
  int open = 0;  // connections; before `io`, whose destructor drops the pending ones
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  std::string address;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {  // out of file descriptors, most likely: no busy loop
        pause.expires_after(std::chrono::milliseconds(100));
        return pause.async_wait([this](error_code stopped) {
          if (!stopped) accept();
        });
      }
      if (open < kMaxConnections) {
        std::make_shared<Connection>(std::move(socket), pages, open)->read();
      }
      accept();
    });
  }
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::start(const std::string& address,
                                                                Pages pages) {
  auto impl = std::make_unique<Impl>();
  impl->pages = std::move(pages);
  ESPALIER_ASSIGN_OR_RETURN(impl->address, listen_on(impl->acceptor, address, "--admin"));
  impl->accept();
  impl->thread = std::thread([raw = impl.get()] { raw->io.run(); });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::~AdminServer() {
  impl_->io.stop();
  impl_->thread.join();
}

const std::string& AdminServer::address() const { return impl_->address; }

}  // namespace espalier::server
