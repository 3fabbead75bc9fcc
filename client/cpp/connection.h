// The channel to espalierd with its stubs; not for users of the library.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "client/cpp/client.h"
#include "client/cpp/status.h"
#include "espalier/v1/artifact.grpc.pb.h"
#include "espalier/v1/dataset.grpc.pb.h"
#include "espalier/v1/endpoint.grpc.pb.h"
#include "espalier/v1/job.grpc.pb.h"
#include "espalier/v1/method.grpc.pb.h"
#include "espalier/v1/model.grpc.pb.h"
#include "espalier/v1/upload.grpc.pb.h"

namespace espalier::client {

// Reconnects quickly (gRPC's own backoff grows to two minutes) and asks no HTTP proxy for a
// loopback address. `max_message` in bytes; -1: no limit.
std::shared_ptr<grpc::Channel> make_channel(const std::string& address, int max_message = 4 << 20);

// Bytes of a chunk, up and down.
inline constexpr size_t kChunk = 1 << 20;

class Connection {
 public:
  explicit Connection(const std::string& address);

  // One unary call with a deadline: call(*jobs, &v1::JobService::Stub::GetJob, request, &response).
  template <class Stub, class Request, class Response>
  absl::Status call(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(5));
    return to_status((stub.*method)(&context, request, response), peer);
  }

  Peer peer;
  std::unique_ptr<v1::ModelService::Stub> models;
  std::unique_ptr<v1::DatasetService::Stub> datasets;
  std::unique_ptr<v1::UploadService::Stub> uploads;
  std::unique_ptr<v1::MethodService::Stub> methods;
  std::unique_ptr<v1::JobService::Stub> jobs;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts;
  std::unique_ptr<v1::EndpointService::Stub> endpoints;
};

// Waits that double from 0.25 s to 1 s, until `patience` is used up. A success starts over.
class Backoff {
 public:
  explicit Backoff(const Client::Options& options) : options_(options) {}
  void reset() { *this = Backoff(options_); }
  // Waits and returns true, or returns false when patience has ended or the error is not worth a
  // try.
  bool again(const absl::Status& status);

 private:
  const Client::Options& options_;
  absl::Duration next_ = absl::Milliseconds(250);
  absl::Duration waited_ = absl::ZeroDuration();
  Backoff& operator=(const Backoff& other) {
    next_ = other.next_;
    waited_ = other.waited_;
    return *this;
  }
};

}  // namespace espalier::client
