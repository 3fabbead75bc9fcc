// A whole inference server but for the engine, which the caller brings: so tests run it without
// torch.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/common/admin_server.h"
#include "server/common/grpc_server.h"
#include "server/common/metrics.h"
#include "server/serving/artifact_cache.h"
#include "server/serving/endpoint_follower.h"
#include "server/serving/flags.h"
#include "server/serving/inference_service.h"
#include "server/serving/model_repository.h"
#include "server/serving/rest/rest_server.h"

namespace espalier::server {

class ServeProcess {
 public:
  // Listens at once; is ready when what shall be served has been loaded: the static models, all of
  // them or it is an error, or the first state of the endpoints.
  static absl::StatusOr<std::unique_ptr<ServeProcess>> start(const ServeFlags& flags,
                                                             EngineLoader load_engine);
  ~ServeProcess();  // stops

  // Readiness off, serve on for the drain time, then refuse new calls, finish those in flight and
  // end. Idempotent.
  void stop();

  const std::string& address() const { return grpc_->address(); }
  std::string http_address() const { return rest_ == nullptr ? "" : rest_->address(); }
  const std::string& admin_address() const { return admin_->address(); }
  bool ready() const { return protocol_.ready(); }

 private:
  enum class Stage { kStarting, kServing, kDraining };

  ServeProcess(const ServeFlags& flags, EngineLoader load_engine);
  absl::Status listen();
  absl::Status serve_static();
  absl::Status serve_managed();
  absl::StatusOr<std::shared_ptr<Model>> load(const std::string& name, const DesiredRoute& route);
  void become_ready();
  Readiness readiness() const;

  const ServeFlags flags_;
  const EngineLoader load_engine_;
  Metrics metrics_{"serve"};
  ModelLabels labels_;
  runtime::Executor executor_;
  // Managed mode only.
  std::unique_ptr<RemoteArtifacts> artifacts_;
  std::unique_ptr<ArtifactCache> cache_;

  ModelRepository repository_;
  ModelLibrary library_;  // static mode only
  RepositoryProtocol protocol_;
  InferenceService service_;
  std::atomic<Stage> stage_{Stage::kStarting};
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<RestServer> rest_;  // null: no REST
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<EndpointFollower> follower_;
};

}  // namespace espalier::server
