// The connections of an HttpServer.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "server/serving/rest/http_server.h"

namespace espalier::server {

class HttpConnection;

// What connections share: how they are served, and who they are. Thread-safe; outlives them all,
// because close() waits for them.
class HttpHub {
 public:
  HttpHub(const HttpOptions& options, HttpServer::Handler handler)
      : options(options), handler(std::move(handler)) {}

  const HttpOptions options;
  const HttpServer::Handler handler;

  // Serves a connection whose executor is a strand, unless there are too many.
  void welcome(boost::asio::ip::tcp::socket socket);
  // See HttpServer::retire.
  void retire();
  // Lets connections end; after `grace` makes them. Returns when there are none. I/O must run on.
  void close(std::chrono::milliseconds grace);
  bool ending() const { return ending_; }    // since retire() or close()
  bool closing() const { return closing_; }  // since close()

 private:
  friend class HttpConnection;
  void forget(const HttpConnection* connection);
  void tell_all(void (HttpConnection::*what)());

  std::mutex mutex_;
  std::condition_variable none_left_;
  std::map<const HttpConnection*, std::weak_ptr<HttpConnection>> connections_;
  std::atomic<bool> ending_{false}, closing_{false};
};

}  // namespace espalier::server
