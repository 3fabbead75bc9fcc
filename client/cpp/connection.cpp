#include "client/cpp/connection.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace espalier::client {

std::shared_ptr<grpc::Channel> make_channel(const std::string& address, int max_message) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetMaxReceiveMessageSize(max_message);
  arguments.SetMaxSendMessageSize(max_message);
  if (absl::StartsWith(address, "127.") || absl::StartsWith(address, "localhost") ||
      absl::StartsWith(address, "[::1]")) {
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  }
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

Connection::Connection(const std::string& address)
    : peer{"espalierd", address, "start it with 'espalier up'"} {
  auto channel = make_channel(address);
  models = v1::ModelService::NewStub(channel);
  datasets = v1::DatasetService::NewStub(channel);
  uploads = v1::UploadService::NewStub(channel);
  methods = v1::MethodService::NewStub(channel);
  jobs = v1::JobService::NewStub(channel);
  artifacts = v1::ArtifactService::NewStub(channel);
  endpoints = v1::EndpointService::NewStub(channel);
}

bool Backoff::again(const absl::Status& status) {
  if (!is_transient(status) || waited_ >= options_.patience) return false;
  options_.sleep(next_);
  waited_ += next_;
  next_ = std::min(next_ * 2, absl::Seconds(1));
  return true;
}

}  // namespace espalier::client
