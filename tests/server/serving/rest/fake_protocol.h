// A Protocol that answers an inference with its first input, now or when the test says so.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/serving/protocol.h"

namespace espalier::server {

class FakeProtocol : public Protocol {
 public:
  std::shared_ptr<Call> infer(inference::ModelInferRequest request,
                              std::chrono::steady_clock::time_point, Answered answered) override {
    asked = std::move(request);
    inference::ModelInferResponse response;
    response.set_model_name(asked.model_name());
    response.set_model_version(asked.model_version());
    if (asked.inputs_size() > 0) {
      auto* output = response.add_outputs();
      output->set_name("echo");
      output->set_datatype(asked.inputs(0).datatype());
      *output->mutable_shape() = asked.inputs(0).shape();
      response.add_raw_output_contents(asked.raw_input_contents(0));
    }
    answered(failure, response);
    return nullptr;
  }

  bool live() const override { return true; }
  bool ready() const override { return is_ready; }
  absl::StatusOr<bool> model_ready(const std::string& name, const std::string&) const override {
    return is_ready && name == "m";
  }
  inference::ServerMetadataResponse server_metadata() const override {
    inference::ServerMetadataResponse response;
    response.set_name("espalier");
    return response;
  }
  absl::StatusOr<inference::ModelMetadataResponse> model_metadata(
      const std::string& name, const std::string& version) const override {
    if (name != "m") return absl::NotFoundError("model \"" + name + "\" is unknown");
    inference::ModelMetadataResponse response;
    response.set_name(name);
    response.add_versions(version);
    response.add_inputs()->set_name("text");
    response.mutable_inputs(0)->set_datatype("BYTES");
    return response;
  }
  absl::StatusOr<inference::ModelConfigResponse> model_config(const std::string& name,
                                                              const std::string&) const override {
    inference::ModelConfigResponse response;
    response.mutable_config()->set_name(name);
    return response;
  }
  absl::StatusOr<inference::ModelStatisticsResponse> model_statistics(
      const std::string& name, const std::string& version) const override {
    inference::ModelStatisticsResponse response;
    response.add_model_stats()->set_name(name);
    response.mutable_model_stats(0)->set_version(version);
    return response;
  }
  inference::RepositoryIndexResponse repository_index(bool only_ready) const override {
    inference::RepositoryIndexResponse response;
    response.add_models()->set_name("m");
    if (!only_ready) response.add_models()->set_name("late");
    return response;
  }
  absl::Status load(const std::string& name,
                    const inference::RepositoryModelLoadRequest& request) override {
    loaded = request;
    return name == "m" ? absl::OkStatus() : absl::FailedPreconditionError("endpoints rule");
  }
  absl::Status unload(const std::string&,
                      const inference::RepositoryModelUnloadRequest& request) override {
    unloaded = request;
    return absl::OkStatus();
  }

  bool is_ready = true;
  absl::Status failure;
  inference::ModelInferRequest asked;
  inference::RepositoryModelLoadRequest loaded;
  inference::RepositoryModelUnloadRequest unloaded;
};

}  // namespace espalier::server
