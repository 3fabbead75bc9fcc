#include "server/serving/model_recorder.h"

#include <chrono>
#include <utility>

#include "server/common/status.h"

namespace espalier::server {
namespace {

double seconds(runtime::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void add(inference::StatisticDuration* statistic, runtime::Duration duration, uint64_t times = 1) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  statistic->set_count(statistic->count() + times);
  statistic->set_ns(statistic->ns() + static_cast<uint64_t>(ns));
}

// Load generators read every duration of the JSON, also those of a model that did nothing yet, and
// those of a cache, which there is none of.
void add_all(inference::InferStatistics& stats) {
  for (auto* duration :
       {stats.mutable_success(), stats.mutable_fail(), stats.mutable_queue(),
        stats.mutable_compute_input(), stats.mutable_compute_infer(),
        stats.mutable_compute_output(), stats.mutable_cache_hit(), stats.mutable_cache_miss()}) {
    add(duration, {}, 0);
  }
}

// Tokens: 16 .. 16384.
const std::vector<double>& token_buckets() {
  static const std::vector<double> buckets = {16,   32,   64,   128,  256,  512,
                                              1024, 2048, 4096, 8192, 16384};
  return buckets;
}

}  // namespace

std::string ModelLabels::of(const std::string& model) {
  std::lock_guard lock(mutex_);
  if (known_.contains(model)) return model;
  if (known_.size() >= limit_) return "other";
  known_.insert(model);
  return model;
}

void count_request(Metrics& metrics, const std::string& label, absl::StatusCode code) {
  metrics
      .counter("espalier_inference_requests_total", "Inference requests by outcome.",
               {{"model", label}, {"code", code_name(code)}})
      .Increment();
}

ModelRecorder::ModelRecorder(Metrics& metrics, std::string label, int layers)
    : metrics_(metrics),
      label_(std::move(label)),
      rows_(
          metrics.counter("espalier_inference_rows_total", "Rows answered.", {{"model", label_}})),
      queue_seconds_(metrics.histogram("espalier_inference_queue_seconds",
                                       "Time of a request in the queue.", request_buckets(),
                                       {{"model", label_}})),
      compute_seconds_(metrics.histogram("espalier_inference_compute_seconds",
                                         "Time of a batch in the engine.", request_buckets(),
                                         {{"model", label_}})),
      batch_rows_(metrics.histogram("espalier_inference_batch_rows", "Rows of a batch.",
                                    size_buckets(), {{"model", label_}})),
      batch_tokens_(metrics.histogram("espalier_inference_batch_tokens", "Tokens of a batch.",
                                      token_buckets(), {{"model", label_}})),
      queue_depth_(metrics.gauge("espalier_inference_queue_depth", "Rows that wait to be run.",
                                 {{"model", label_}})) {
  add_all(*statistics_.mutable_inference_stats());
  for (int layer = 1; layer <= layers; ++layer) {
    exits_.push_back(&metrics.counter("espalier_inference_exit_layer_total",
                                      "Rows by the layer after which they left, 1-based.",
                                      {{"model", label_}, {"layer", std::to_string(layer)}}));
  }
}

void ModelRecorder::queue_changed(int rows) {
  if (rows > 0) {
    queue_depth_.Increment(rows);
  } else {
    queue_depth_.Decrement(-rows);
  }
}

void ModelRecorder::batch_ran(int rows, int64_t tokens, runtime::Duration compute) {
  compute_seconds_.Observe(seconds(compute));
  batch_rows_.Observe(rows);
  batch_tokens_.Observe(static_cast<double>(tokens));
  std::lock_guard lock(mutex_);
  statistics_.set_execution_count(statistics_.execution_count() + 1);
  Batches& batches = batches_[rows];
  ++batches.count;
  batches.compute += compute;
}

void ModelRecorder::request_succeeded(size_t rows, std::span<const runtime::Answer> answers,
                                      const RequestTimes& times) {
  count_request(metrics_, label_, absl::StatusCode::kOk);
  rows_.Increment(static_cast<double>(rows));
  queue_seconds_.Observe(seconds(times.queue));
  for (const runtime::Answer& answer : answers) {
    const auto index = static_cast<size_t>(answer.exit_layer - 1);
    if (index < exits_.size()) exits_[index]->Increment();
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::lock_guard lock(mutex_);
  statistics_.set_last_inference(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  statistics_.set_inference_count(statistics_.inference_count() + rows);
  inference::InferStatistics& stats = *statistics_.mutable_inference_stats();
  add(stats.mutable_success(), times.total);
  add(stats.mutable_queue(), times.queue);
  add(stats.mutable_compute_input(), times.encode);
  add(stats.mutable_compute_infer(), times.compute);
  add(stats.mutable_compute_output(), times.respond);
}

void ModelRecorder::request_failed(absl::StatusCode code, const RequestTimes& times) {
  count_request(metrics_, label_, code);
  std::lock_guard lock(mutex_);
  add(statistics_.mutable_inference_stats()->mutable_fail(), times.total);
}

inference::ModelStatistics ModelRecorder::statistics() const {
  std::lock_guard lock(mutex_);
  inference::ModelStatistics result = statistics_;
  for (const auto& [rows, batches] : batches_) {
    inference::InferBatchStatistics* entry = result.add_batch_stats();
    entry->set_batch_size(static_cast<uint64_t>(rows));
    add(entry->mutable_compute_input(), {}, batches.count);
    add(entry->mutable_compute_infer(), batches.compute, batches.count);
    add(entry->mutable_compute_output(), {}, batches.count);
  }
  return result;
}

}  // namespace espalier::server
