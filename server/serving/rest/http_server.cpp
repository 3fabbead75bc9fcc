#include "server/serving/rest/http_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/common/listen.h"
#include "server/serving/rest/http_connection.h"

namespace espalier::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct HttpServer::Impl {
  Impl(const HttpOptions& options, Handler handler) : hub(options, std::move(handler)) {}

  HttpHub hub;  // before `io`, whose handlers hold connections
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  tcp::acceptor acceptor{asio::make_strand(io)};
  asio::steady_timer pause{acceptor.get_executor()};
  std::string address;
  std::vector<std::thread> threads;

  void accept() {
    acceptor.async_accept(asio::make_strand(io), [this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
      if (error) {  // out of file descriptors, most likely: no busy loop
        pause.expires_after(std::chrono::milliseconds(100));
        return pause.async_wait([this](error_code stopped) {
          if (!stopped) accept();
        });
      }
      hub.welcome(std::move(socket));
      accept();
    });
  }

  void run() {
    // A handler that throws loses its connection and nothing else.
    for (;;) {
      const absl::Status status = guard("a REST connection", [this] { io.run(); });
      if (status.ok()) return;
      spdlog::error("{}", status.ToString());
    }
  }
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options,
                                                              Handler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  ESPALIER_ASSIGN_OR_RETURN(impl->address, listen_on(impl->acceptor, options.listen, "--http"));
  impl->accept();
  for (int i = 0; i < options.threads; ++i) {
    impl->threads.emplace_back([raw = impl.get()] { raw->run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() { shutdown(std::chrono::milliseconds(0)); }

const std::string& HttpServer::address() const { return impl_->address; }

void HttpServer::retire() { impl_->hub.retire(); }

void HttpServer::shutdown(std::chrono::milliseconds grace) {
  if (impl_->threads.empty()) return;
  asio::post(impl_->acceptor.get_executor(), [raw = impl_.get()] {
    error_code ignored;
    raw->acceptor.close(ignored);
    raw->pause.cancel();
  });
  impl_->hub.close(grace);
  impl_->work.reset();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

}  // namespace espalier::server
