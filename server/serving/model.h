// One loaded artifact: engine, batcher, and what it has done so far.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/runtime/batcher.h"
#include "core/runtime/engine.h"
#include "server/serving/infer_response.h"
#include "server/serving/model_recorder.h"

namespace espalier::server {

// Engine::load with its options bound; tests give fakes.
using EngineLoader =
    std::function<absl::StatusOr<std::unique_ptr<runtime::Engine>>(const std::string& folder)>;

class Model {
 public:
  // Probes the engine with one row before anything else may use it; an engine that fails it
  // is not served. `executor`, which all models share, and `metrics` outlive the model.
  static absl::StatusOr<std::shared_ptr<Model>> make(const std::string& name,
                                                     const std::string& version,
                                                     std::unique_ptr<runtime::Engine> engine,
                                                     const runtime::BatcherOptions& options,
                                                     runtime::Executor& executor, Metrics& metrics,
                                                     ModelLabels& labels);

  // These two outlive the model in the hands of requests that are being answered.
  const std::shared_ptr<const ModelCard>& card() const { return card_; }
  const std::shared_ptr<ModelRecorder>& recorder() const { return recorder_; }

  // For encode(): thread-safe.
  const runtime::Engine& engine() const { return *engine_; }
  // See Batcher::check and Batcher::submit.
  absl::Status check(int priority, runtime::TimePoint deadline) const {
    return batcher_.check(priority, deadline);
  }
  absl::Status submit(runtime::BatcherRequest request);
  // Answers what waits and refuses the rest. The batcher's callbacks must not own the model.
  void drain();
  bool draining() const { return batcher_.draining(); }

 private:
  Model(ModelCard card, std::unique_ptr<runtime::Engine> engine,
        const runtime::BatcherOptions& options, runtime::Executor& executor, Metrics& metrics,
        ModelLabels& labels);

  const std::shared_ptr<const ModelCard> card_;
  const std::shared_ptr<ModelRecorder> recorder_;
  const std::unique_ptr<runtime::Engine> engine_;
  runtime::Batcher batcher_;  // goes first: its batches use all of the above
};

}  // namespace espalier::server
