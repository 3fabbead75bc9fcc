#include "server/serving/repository_protocol.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/serving/metadata.h"
#include "server/serving/repository_calls.h"

namespace espalier::server {

std::shared_ptr<Protocol::Call> RepositoryProtocol::infer(
    inference::ModelInferRequest request, std::chrono::steady_clock::time_point deadline,
    Answered answered, const InferTask::Gone& gone) {
  return InferTask::start(std::move(request), deadline, std::move(answered), gone, repository_,
                          metrics_);
}

absl::StatusOr<bool> RepositoryProtocol::model_ready(const std::string& name,
                                                     const std::string& version) const {
  return ready() && repository_.find(name, version).ok();
}

inference::ServerMetadataResponse RepositoryProtocol::server_metadata() const {
  inference::ServerMetadataResponse response;
  fill_server_metadata(library_ != nullptr, &response);
  return response;
}

absl::StatusOr<inference::ModelMetadataResponse> RepositoryProtocol::model_metadata(
    const std::string& name, const std::string& version) const {
  const std::shared_ptr<const Snapshot> snapshot = repository_.snapshot();
  ESPALIER_ASSIGN_OR_RETURN(const auto model, repository_.find(name, version));
  const auto served = snapshot->find(name);
  inference::ModelMetadataResponse response;
  fill_model_metadata(*model->card(), served == snapshot->end() ? ServedName{} : served->second,
                      &response);
  return response;
}

absl::StatusOr<inference::ModelConfigResponse> RepositoryProtocol::model_config(
    const std::string& name, const std::string& version) const {
  ESPALIER_ASSIGN_OR_RETURN(const auto model, repository_.find(name, version));
  inference::ModelConfigResponse response;
  fill_model_config(*model->card(), options_,
                    library_ == nullptr ? nullptr : &library_->policy_of(name),
                    response.mutable_config());
  return response;
}

absl::StatusOr<inference::ModelStatisticsResponse> RepositoryProtocol::model_statistics(
    const std::string& name, const std::string& version) const {
  inference::ModelStatisticsResponse response;
  if (!fill_statistics(*repository_.snapshot(), name, version, &response)) {
    ESPALIER_RETURN_IF_ERROR(repository_.find(name, version).status());
  }
  return response;
}

inference::RepositoryIndexResponse RepositoryProtocol::repository_index(bool only_ready) const {
  inference::RepositoryIndexResponse response;
  fill_repository_index(*repository_.snapshot(), only_ready, &response);
  return response;
}

absl::Status RepositoryProtocol::load(const std::string& name,
                                      const inference::RepositoryModelLoadRequest& request) {
  ESPALIER_RETURN_IF_ERROR(check_library(name, "espalier endpoints set"));
  ESPALIER_RETURN_IF_ERROR(check_load_parameters(request.parameters()));
  return library_->load(name);
}

absl::Status RepositoryProtocol::unload(const std::string& name,
                                        const inference::RepositoryModelUnloadRequest& request) {
  ESPALIER_RETURN_IF_ERROR(check_library(name, "espalier endpoints delete"));
  ESPALIER_RETURN_IF_ERROR(check_unload_parameters(request.parameters()));
  return library_->unload(name);
}

absl::Status RepositoryProtocol::check_library(const std::string& name, const char* instead) const {
  if (library_ != nullptr) return absl::OkStatus();
  return with_reason(absl::FailedPreconditionError(absl::StrCat(
                         "model \"", name,
                         "\" is not changed by this call: this server serves what the endpoints "
                         "of its control plane name; use `",
                         instead,
                         "`, or start a server with --model or "
                         "--repository")),
                     "MANAGED");
}

}  // namespace espalier::server
