#include "server/serving/inference_service.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/serve.h"
#include "server/serving/infer_call.h"
#include "server/serving/metadata.h"

namespace espalier::server {
namespace {

// A call that is answered at once, on the thread that brings it.
template <class F>
grpc::ServerUnaryReactor* answer(const char* method, Metrics& metrics,
                                 grpc::CallbackServerContext* context, F&& function) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(serve(method, metrics, context, std::forward<F>(function)));
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* InferenceService::ServerLive(Context* context,
                                                       const inference::ServerLiveRequest*,
                                                       inference::ServerLiveResponse* response) {
  return answer("ServerLive", metrics_, context, [&] {
    response->set_live(true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(Context* context,
                                                        const inference::ServerReadyRequest*,
                                                        inference::ServerReadyResponse* response) {
  return answer("ServerReady", metrics_, context, [&] {
    response->set_ready(ready());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(Context* context,
                                                       const inference::ModelReadyRequest* request,
                                                       inference::ModelReadyResponse* response) {
  return answer("ModelReady", metrics_, context, [&] {
    response->set_ready(ready() && repository_.find(request->name(), request->version()).ok());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    Context* context, const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  return answer("ServerMetadata", metrics_, context, [&] {
    fill_server_metadata(response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    Context* context, const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  return answer("ModelMetadata", metrics_, context, [&]() -> absl::Status {
    const auto snapshot = repository_.snapshot();
    ESPALIER_ASSIGN_OR_RETURN(const auto model,
                              repository_.find(request->name(), request->version()));
    const auto served = snapshot->find(request->name());
    fill_model_metadata(*model->card(), served == snapshot->end() ? ServedName{} : served->second,
                        response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(
    Context* context, const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  return answer("ModelConfig", metrics_, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const auto model,
                              repository_.find(request->name(), request->version()));
    fill_model_config(*model->card(), options_, response->mutable_config());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelStatistics(
    Context* context, const inference::ModelStatisticsRequest* request,
    inference::ModelStatisticsResponse* response) {
  return answer("ModelStatistics", metrics_, context, [&]() -> absl::Status {
    const auto snapshot = repository_.snapshot();
    if (fill_statistics(*snapshot, request->name(), request->version(), response)) {
      return absl::OkStatus();
    }
    return repository_.find(request->name(), request->version()).status();
  });
}

grpc::ServerUnaryReactor* InferenceService::RepositoryIndex(
    Context* context, const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  return answer("RepositoryIndex", metrics_, context, [&]() -> absl::Status {
    if (!request->repository_name().empty()) {
      return absl::UnimplementedError(absl::StrCat("there is no repository \"",
                                                   request->repository_name(),
                                                   "\"; leave repository_name empty"));
    }
    fill_repository_index(*repository_.snapshot(), request->ready(), response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(Context* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  return InferCall::start(context, request, response, repository_, metrics_);
}

}  // namespace espalier::server
