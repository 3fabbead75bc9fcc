// What one model of the server has done: metrics for Prometheus, and the counts and durations that
// the protocol's ModelStatistics asks for.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/runtime/batcher.h"
#include "inference/grpc_service.pb.h"
#include "server/common/metrics.h"

namespace espalier::server {

// Label values of models: the first `limit` names are themselves, later ones "other", so that a
// server that sees many endpoints come and go cannot flood its scraper.
class ModelLabels {
 public:
  explicit ModelLabels(size_t limit = 100) : limit_(limit) {}
  std::string of(const std::string& model);

 private:
  const size_t limit_;
  std::mutex mutex_;
  std::set<std::string> known_;
};

// espalier_inference_requests_total{model,code}; `label` comes from ModelLabels, or is "unknown"
// for requests that name no model we serve.
void count_request(Metrics& metrics, const std::string& label, absl::StatusCode code);

// How one request went; times are zero for stages it did not reach.
struct RequestTimes {
  runtime::Duration total{}, encode{}, queue{}, compute{}, respond{};
};

// Thread-safe.
class ModelRecorder : public runtime::BatcherObserver {
 public:
  ModelRecorder(Metrics& metrics, std::string label, int layers);

  void queue_changed(int rows) override;
  void batch_ran(int rows, int64_t tokens, runtime::Duration compute) override;
  // `rows` of the request; `answers` are more where a row was read in several windows, each of
  // which left the model after a layer of its own.
  void request_succeeded(size_t rows, std::span<const runtime::Answer> answers,
                         const RequestTimes& times);
  void request_failed(absl::StatusCode code, const RequestTimes& times);

  // Everything but name and version. A batch is made of rows that were read request by request, so
  // the inputs and outputs of batches cost nothing: theirs stand with the requests.
  inference::ModelStatistics statistics() const;

 private:
  struct Batches {
    uint64_t count = 0;
    runtime::Duration compute{};
  };

  Metrics& metrics_;
  const std::string label_;
  prometheus::Counter& rows_;
  prometheus::Histogram &queue_seconds_, &compute_seconds_, &batch_rows_, &batch_tokens_;
  prometheus::Gauge& queue_depth_;
  std::vector<prometheus::Counter*> exits_;  // by layer, from the first

  mutable std::mutex mutex_;
  inference::ModelStatistics statistics_;
  std::map<int, Batches> batches_;  // by rows
};

}  // namespace espalier::server
