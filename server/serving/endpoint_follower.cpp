#include "server/serving/endpoint_follower.h"

#include <spdlog/spdlog.h>

#include <set>
#include <utility>

#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/serving/endpoint_store.h"

namespace espalier::server {

RemoteArtifacts::RemoteArtifacts(const std::shared_ptr<grpc::Channel>& channel)
    : stub_(v1::ArtifactService::NewStub(channel)) {}

absl::StatusOr<v1::Artifact> RemoteArtifacts::get(const std::string& artifact) {
  ESPALIER_RETURN_IF_ERROR(check());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  v1::GetArtifactRequest request;
  request.set_name(artifact);
  v1::GetArtifactResponse response;
  ESPALIER_RETURN_IF_ERROR(from_grpc(stub_->GetArtifact(&context, request, &response)));
  return std::move(*response.mutable_artifact());
}

absl::StatusOr<std::string> RemoteArtifacts::read(const std::string& artifact,
                                                  const std::string& path, uint64_t offset) {
  ESPALIER_RETURN_IF_ERROR(check());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  v1::ReadArtifactFileRequest request;
  request.set_name(artifact);
  request.set_path(path);
  request.set_offset(offset);
  v1::ReadArtifactFileResponse response;
  ESPALIER_RETURN_IF_ERROR(from_grpc(stub_->ReadArtifactFile(&context, request, &response)));
  return std::move(*response.mutable_data());
}

absl::Status RemoteArtifacts::check() const {
  return cancelled_ ? absl::CancelledError("the server stops") : absl::OkStatus();
}

EndpointFollower::EndpointFollower(std::shared_ptr<grpc::Channel> channel, FollowerOptions options,
                                   ArtifactCache& cache, ModelRepository& repository,
                                   std::function<void()> on_applied)
    : options_(std::move(options)),
      stub_(v1::EndpointService::NewStub(channel)),
      cache_(cache),
      repository_(repository),
      on_applied_(std::move(on_applied)) {
  auto saved = load_endpoints(options_.snapshot);
  if (saved.ok()) {
    spdlog::info("starting with the {} endpoints of the last run", saved->endpoints_size());
    newest_ = *std::move(saved);
  } else if (!absl::IsNotFound(saved.status())) {
    spdlog::warn("not starting from the last run: {}", std::string(saved.status().message()));
  }
  applier_ = std::thread([this] { apply_newest(); });
  watcher_ = std::thread([this] { watch(); });
}

EndpointFollower::~EndpointFollower() { stop(); }

void EndpointFollower::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->TryCancel();
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  if (applier_.joinable()) applier_.join();
}

void EndpointFollower::watch() {
  Backoff backoff(options_.first_pause, options_.last_pause);
  do {
    if (watch_once()) backoff.reset();
  } while (pause(backoff.next()));
}

bool EndpointFollower::watch_once() {
  grpc::ClientContext context;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    stream_ = &context;
  }
  v1::WatchEndpointsRequest request;
  request.set_parent(options_.parent);
  const auto stream = stub_->WatchEndpoints(&context, request);
  bool heard = false;
  v1::WatchEndpointsResponse endpoints;
  while (stream->Read(&endpoints)) {
    heard = true;
    {
      std::lock_guard lock(mutex_);
      away_ = false;
      newest_ = endpoints;
    }
    changed_.notify_all();
  }
  const grpc::Status status = stream->Finish();
  std::lock_guard lock(mutex_);
  stream_ = nullptr;
  if (!stopping_) {
    // Once when it goes away, not at every attempt to find it again.
    const bool news = !std::exchange(away_, true);
    spdlog::log(news ? spdlog::level::warn : spdlog::level::debug,
                "the control plane is away ({}); serving what is loaded", status.error_message());
  }
  return heard;
}

void EndpointFollower::apply_newest() {
  Backoff backoff(options_.first_retry, options_.last_retry);
  std::optional<v1::WatchEndpointsResponse> retry;  // the last state, when something in it failed
  while (true) {
    v1::WatchEndpointsResponse endpoints;
    {
      std::unique_lock lock(mutex_);
      const auto awake = [&] { return stopping_ || newest_.has_value(); };
      if (retry.has_value()) {
        changed_.wait_for(lock, backoff.next(), awake);
      } else {
        changed_.wait(lock, awake);
      }
      if (stopping_) return;
      if (newest_.has_value()) {
        endpoints = *std::exchange(newest_, std::nullopt);
        backoff.reset();
      } else {
        endpoints = *retry;
      }
    }
    const std::vector<DesiredModel> desired = desired_models(endpoints);
    const int failures = repository_.apply(desired);
    retry.reset();
    if (failures > 0) {
      retry = std::move(endpoints);
    } else {
      // Only a state that loads is worth booting from, and only then is the rest of the cache idle.
      const absl::Status saved = save_endpoints(options_.snapshot, endpoints);
      if (!saved.ok()) spdlog::error("endpoints are not saved: {}", std::string(saved.message()));
      std::set<std::string> contents;
      for (const DesiredModel& model : desired) {
        for (const DesiredRoute& route : model.routes) contents.insert(route.content());
      }
      cache_.keep_only(contents);
    }
    on_applied_();
  }
}

bool EndpointFollower::pause(Backoff::Milliseconds duration) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, duration, [&] { return stopping_; });
}

}  // namespace espalier::server
