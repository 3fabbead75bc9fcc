// Managed mode: keeps a ModelRepository at what the control plane's endpoints say. Boots from the
// last good snapshot on disk, follows WatchEndpoints with reconnects, downloads artifacts, and
// tries what failed to load again. Two threads: one reads the stream, one applies the newest state.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "espalier/v1/artifact.grpc.pb.h"
#include "espalier/v1/endpoint.grpc.pb.h"
#include "server/serving/artifact_cache.h"
#include "server/serving/backoff.h"
#include "server/serving/model_repository.h"

namespace espalier::server {

// ArtifactService as a source of artifacts. Each call has a deadline, so a control plane that hangs
// cannot hold a load for ever; cancel() ends what runs.
class RemoteArtifacts final : public ArtifactSource {
 public:
  explicit RemoteArtifacts(const std::shared_ptr<grpc::Channel>& channel);
  absl::StatusOr<v1::Artifact> get(const std::string& artifact) override;
  absl::StatusOr<std::string> read(const std::string& artifact, const std::string& path,
                                   uint64_t offset) override;
  void cancel() { cancelled_ = true; }

 private:
  absl::Status check() const;
  std::unique_ptr<v1::ArtifactService::Stub> stub_;
  std::atomic<bool> cancelled_{false};
};

struct FollowerOptions {
  std::string parent;                                            // projects/P
  std::string snapshot;                                          // file of the last good endpoints
  Backoff::Milliseconds first_pause{500}, last_pause{15'000};    // between attempts to connect
  Backoff::Milliseconds first_retry{2'000}, last_retry{60'000};  // of artifacts that did not load
};

class EndpointFollower {
 public:
  // `on_applied` runs after each state that was applied, whatever failed in it. `cache` and
  // `repository` outlive the follower.
  EndpointFollower(std::shared_ptr<grpc::Channel> channel, FollowerOptions options,
                   ArtifactCache& cache, ModelRepository& repository,
                   std::function<void()> on_applied);
  ~EndpointFollower();  // stops

  // Ends both threads; a load that runs is finished first. Idempotent.
  void stop();

 private:
  void watch();
  bool watch_once();  // true when the control plane said anything
  void apply_newest();
  bool pause(Backoff::Milliseconds duration);  // false when it is time to stop

  const FollowerOptions options_;
  const std::unique_ptr<v1::EndpointService::Stub> stub_;
  ArtifactCache& cache_;
  ModelRepository& repository_;
  const std::function<void()> on_applied_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::optional<v1::WatchEndpointsResponse> newest_;  // not applied yet
  grpc::ClientContext* stream_ = nullptr;             // while watching
  bool away_ = false;                                 // the control plane, as the log knows it
  std::thread watcher_, applier_;
};

}  // namespace espalier::server
