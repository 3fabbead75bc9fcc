#include "server/serving/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

// Whether the engine can answer at all. That it answers rightly is checked by the engine itself
// against the artifact's golden logits when it loads.
absl::Status probe(runtime::Engine& engine) {
  const runtime::Row row = engine.probe();
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<runtime::Answer> answers,
                            engine.predict(std::span(&row, 1)));
  if (answers.size() != 1) return absl::InternalError("the engine did not answer one row with one");
  const auto& logits = answers[0].logits;
  const auto finite = [](float logit) { return std::isfinite(logit); };
  if (logits.empty() || !std::all_of(logits.begin(), logits.end(), finite)) {
    return absl::DataLossError("the model's logits are not finite numbers");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Model>> Model::make(const std::string& name,
                                                   const std::string& version,
                                                   std::unique_ptr<runtime::Engine> engine,
                                                   const runtime::BatcherOptions& options,
                                                   runtime::Executor& executor, Metrics& metrics,
                                                   ModelLabels& labels) {
  const absl::Status probed = guard("probing the model", [&] { return probe(*engine); });
  engine->release_threads();  // from here on it computes in the executor's alone
  ESPALIER_RETURN_IF_ERROR(probed);
  ModelCard card{name, version, engine->info()};
  return std::shared_ptr<Model>(
      new Model(std::move(card), std::move(engine), options, executor, metrics, labels));
}

Model::Model(ModelCard card, std::unique_ptr<runtime::Engine> engine,
             const runtime::BatcherOptions& options, runtime::Executor& executor, Metrics& metrics,
             ModelLabels& labels)
    : card_(std::make_shared<const ModelCard>(std::move(card))),
      recorder_(
          std::make_shared<ModelRecorder>(metrics, labels.of(card_->name), card_->info.layers)),
      engine_(std::move(engine)),
      batcher_([this](std::span<const runtime::Row> rows) { return engine_->predict(rows); },
               options, &executor, recorder_.get()) {}

absl::Status Model::submit(runtime::BatcherRequest request) {
  return batcher_.submit(std::move(request));
}

void Model::drain() { batcher_.drain(); }

}  // namespace espalier::server
