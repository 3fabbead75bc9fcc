// The control plane as C++ calls. Ids are short ("sst2"); whole names ("projects/p/datasets/sst2")
// work as well. A call blocks until it is answered. A Client may be used by several threads at
// once.
//
//   Client client({.address = "127.0.0.1:7400"});
//   auto model = client.upload_model("minilm", "models/minilm");
//   auto job = client.create_job("first", request);
//   auto ended = client.watch_job("first", 0, [](const v1::JobEvent& event) { ... });
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "espalier/v1/artifact.pb.h"
#include "espalier/v1/dataset.pb.h"
#include "espalier/v1/endpoint.pb.h"
#include "espalier/v1/job.pb.h"
#include "espalier/v1/method.pb.h"
#include "espalier/v1/model.pb.h"

namespace espalier::client {

// Where a transfer stands; bytes over all its files.
struct TransferProgress {
  std::string file;
  uint64_t done = 0, total = 0;
};
using TransferCallback = std::function<void(const TransferProgress&)>;

// A local file and its place in the resource.
struct LocalFile {
  std::string path;   // "vocab.txt"
  std::string local;  // "models/minilm/vocab.txt"
};

class Connection;

class Client {
 public:
  struct Options {
    std::string address = "127.0.0.1:7400";
    std::string project = "default";
    // How long a broken upload or watch is tried again before its error is returned.
    absl::Duration patience = absl::Seconds(60);
    // Waits between tries; a test puts its own clock here.
    std::function<void(absl::Duration)> sleep = [](absl::Duration time) { absl::SleepFor(time); };
  };

  explicit Client(Options options);
  ~Client();
  const Options& options() const { return options_; }

  // Uploads config.json, model.safetensors and the tokenizer's files of a Hugging Face folder,
  // waits until they are checked and returns the READY model. INVALID_ARGUMENT carries the server's
  // reason for a refusal. The same call after an interruption goes on where the last one stopped.
  absl::StatusOr<v1::Model> upload_model(const std::string& id, const std::string& folder,
                                         const TransferCallback& progress = {});
  absl::StatusOr<v1::Model> get_model(const std::string& id);
  absl::StatusOr<v1::ListModelsResponse> list_models();
  absl::Status delete_model(const std::string& id);

  // The same for a data set: `dataset` holds columns, format, label names and splits (each naming
  // the path of one of `files`).
  absl::StatusOr<v1::Dataset> upload_dataset(const std::string& id, v1::Dataset dataset,
                                             const std::vector<LocalFile>& files,
                                             const TransferCallback& progress = {});
  absl::StatusOr<v1::Dataset> get_dataset(const std::string& id);
  absl::StatusOr<v1::ListDatasetsResponse> list_datasets();
  absl::Status delete_dataset(const std::string& id);

  absl::StatusOr<v1::ListMethodsResponse> list_methods(
      v1::Method::Kind kind = v1::Method::KIND_UNSPECIFIED);

  // `id` empty: the service makes one. `validate_only` creates nothing and returns the resolved
  // recipe.
  absl::StatusOr<v1::Job> create_job(const std::string& id, v1::Job job,
                                     bool validate_only = false);
  absl::StatusOr<v1::Job> get_job(const std::string& id);
  absl::StatusOr<v1::ListJobsResponse> list_jobs(const std::vector<v1::Job::State>& states = {});
  absl::StatusOr<v1::Job> cancel_job(const std::string& id);
  absl::Status delete_job(const std::string& id);
  // Calls `on_event` for every event after `after_seq`, each once and in order, until the job has
  // ended; goes on after the last event seen when the connection breaks. Returns the ended job.
  absl::StatusOr<v1::Job> watch_job(const std::string& id, uint64_t after_seq,
                                    const std::function<void(const v1::JobEvent&)>& on_event);

  absl::StatusOr<v1::Artifact> get_artifact(const std::string& id);
  absl::StatusOr<v1::ListArtifactsResponse> list_artifacts();
  absl::StatusOr<google::protobuf::Struct> get_report(const std::string& id);
  absl::Status delete_artifact(const std::string& id);
  // Writes an artifact's files below `folder`. Each is written aside and appears under its name
  // only with the right SHA-256; files that are there already with it are kept.
  absl::StatusOr<v1::Artifact> download_artifact(const std::string& id, const std::string& folder,
                                                 const TransferCallback& progress = {});

  absl::StatusOr<v1::Endpoint> set_endpoint(v1::Endpoint endpoint);
  absl::StatusOr<v1::Endpoint> get_endpoint(const std::string& id);
  absl::StatusOr<v1::ListEndpointsResponse> list_endpoints();
  absl::Status delete_endpoint(const std::string& id);

 private:
  std::string name(const char* collection, const std::string& id) const;

  Options options_;
  std::unique_ptr<Connection> connection_;
};

// Whether a job can change no more.
bool is_ended(v1::Job::State state);
// The files of a Hugging Face folder that make up a model: model.safetensors and every *.json and
// *.txt at its top. A folder without safetensors gives its pytorch_model*.bin too, so that the
// server can say why it refuses it.
absl::StatusOr<std::vector<LocalFile>> model_files(const std::string& folder);

}  // namespace espalier::client
