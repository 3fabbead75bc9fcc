#include "server/serving/inference_service.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/serve.h"
#include "server/serving/infer_call.h"
#include "server/serving/repository_calls.h"

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

grpc::ServerUnaryReactor* InferenceService::answer_later(const char* method, Context* context,
                                                         std::function<absl::Status()> function) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto timer = std::make_shared<RpcTimer>(method, metrics_, context);
  const absl::Status taken = changes_.run([=, function = std::move(function)] {
    reactor->Finish(timer->finish(guard(method, function)));
  });
  if (!taken.ok()) reactor->Finish(timer->finish(taken));
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::ServerLive(Context* context,
                                                       const inference::ServerLiveRequest*,
                                                       inference::ServerLiveResponse* response) {
  return answer("ServerLive", metrics_, context, [&] {
    response->set_live(protocol_.live());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(Context* context,
                                                        const inference::ServerReadyRequest*,
                                                        inference::ServerReadyResponse* response) {
  return answer("ServerReady", metrics_, context, [&] {
    response->set_ready(protocol_.ready());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(Context* context,
                                                       const inference::ModelReadyRequest* request,
                                                       inference::ModelReadyResponse* response) {
  return answer("ModelReady", metrics_, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const bool ready,
                              protocol_.model_ready(request->name(), request->version()));
    response->set_ready(ready);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    Context* context, const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  return answer("ServerMetadata", metrics_, context, [&] {
    *response = protocol_.server_metadata();
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    Context* context, const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  return answer("ModelMetadata", metrics_, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(*response,
                              protocol_.model_metadata(request->name(), request->version()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(
    Context* context, const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  return answer("ModelConfig", metrics_, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(*response,
                              protocol_.model_config(request->name(), request->version()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelStatistics(
    Context* context, const inference::ModelStatisticsRequest* request,
    inference::ModelStatisticsResponse* response) {
  return answer("ModelStatistics", metrics_, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(*response,
                              protocol_.model_statistics(request->name(), request->version()));
    return absl::OkStatus();
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
    *response = protocol_.repository_index(request->ready());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelLoad(
    Context* context, const inference::RepositoryModelLoadRequest* request,
    inference::RepositoryModelLoadResponse* response) {
  return answer_later("RepositoryModelLoad", context, [=, this]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const std::string name,
                              model_to_change(request->repository_name(), request->model_name()));
    ESPALIER_RETURN_IF_ERROR(protocol_.load(name, *request));
    response->set_model_name(name);
    response->set_is_loaded(true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelUnload(
    Context* context, const inference::RepositoryModelUnloadRequest* request,
    inference::RepositoryModelUnloadResponse* response) {
  return answer_later("RepositoryModelUnload", context, [=, this]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const std::string name,
                              model_to_change(request->repository_name(), request->model_name()));
    ESPALIER_RETURN_IF_ERROR(protocol_.unload(name, *request));
    response->set_model_name(name);
    response->set_is_unloaded(true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(Context* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  return InferCall::start(context, request, response, protocol_, metrics_);
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
InferenceService::ModelStreamInfer(Context* context) {
  return StreamCall::start(context, protocol_, metrics_, streams_, max_unwritten_bytes_);
}

}  // namespace espalier::server
