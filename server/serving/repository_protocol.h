// The Open Inference Protocol over a ModelRepository.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "server/common/metrics.h"
#include "server/serving/infer_task.h"
#include "server/serving/model_library.h"
#include "server/serving/model_repository.h"
#include "server/serving/protocol.h"

namespace espalier::server {

class RepositoryProtocol final : public Protocol {
 public:
  // All outlive it; `options` is what the models' batchers run with. Without a library models are
  // not loaded and unloaded by call: a control plane says what is served.
  RepositoryProtocol(const ModelRepository& repository, const runtime::BatcherOptions& options,
                     Metrics& metrics, ModelLibrary* library = nullptr)
      : repository_(repository), options_(options), metrics_(metrics), library_(library) {}

  // What ready() and model_ready() say: false until the first snapshot and while draining. Requests
  // are answered all the same: who still asks has not heard yet.
  void set_ready(bool ready) { ready_ = ready; }

  std::shared_ptr<Call> infer(inference::ModelInferRequest request,
                              std::chrono::steady_clock::time_point deadline,
                              Answered answered) override {
    return infer(std::move(request), deadline, std::move(answered), {});
  }
  // `gone` is asked on this thread while the inputs are read: by then nobody can cancel the call
  // that is not made yet.
  std::shared_ptr<Call> infer(inference::ModelInferRequest request,
                              std::chrono::steady_clock::time_point deadline, Answered answered,
                              const InferTask::Gone& gone);

  bool live() const override { return true; }
  bool ready() const override { return ready_; }
  absl::StatusOr<bool> model_ready(const std::string& name,
                                   const std::string& version) const override;
  inference::ServerMetadataResponse server_metadata() const override;
  absl::StatusOr<inference::ModelMetadataResponse> model_metadata(
      const std::string& name, const std::string& version) const override;
  absl::StatusOr<inference::ModelConfigResponse> model_config(
      const std::string& name, const std::string& version) const override;
  absl::StatusOr<inference::ModelStatisticsResponse> model_statistics(
      const std::string& name, const std::string& version) const override;
  inference::RepositoryIndexResponse repository_index(bool only_ready) const override;
  absl::Status load(const std::string& name,
                    const inference::RepositoryModelLoadRequest& request) override;
  absl::Status unload(const std::string& name,
                      const inference::RepositoryModelUnloadRequest& request) override;

 private:
  absl::Status check_library(const std::string& name, const char* instead) const;

  const ModelRepository& repository_;
  const runtime::BatcherOptions options_;
  Metrics& metrics_;
  ModelLibrary* const library_;
  std::atomic<bool> ready_{false};
};

}  // namespace espalier::server
