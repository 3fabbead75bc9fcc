#include "core/train/evaluate.h"

#include "core/model/train_backend.h"
#include "core/model/walk.h"

namespace espalier {
namespace {
constexpr int64_t kEvaluationTokens = 4096;
}

std::vector<Prediction> predict_examples(const Model& model, const Gates& gates,
                                         const Examples& examples) {
  torch::NoGradGuard no_grad;
  TrainBackend backend(model);
  std::vector<Prediction> out(static_cast<size_t>(examples.size()));
  for (const auto& rows : evaluation_batches(examples, kEvaluationTokens)) {
    Trace trace = walk(backend, make_batch(examples, rows, false), gates);
    Tensor logits = trace.logits.to(at::kCPU, at::kFloat).contiguous();
    const float* data = logits.data_ptr<float>();
    // A head reads the row, or every token of it.
    const bool tokens = model.config.head == HeadKind::kToken;
    for (size_t i = 0; i < rows.size(); ++i) {
      Prediction& prediction = out[rows[i]];
      const int64_t lines = tokens ? static_cast<int64_t>(examples.inputs[rows[i]].ids.size()) : 1;
      prediction.logits.assign(data, data + lines * logits.size(1));
      data += lines * logits.size(1);
      prediction.exit_layer = static_cast<int32_t>(model.layers.size());
    }
  }
  return out;
}

double first_metric(const Model& model, const Gates& gates, const Examples& examples,
                    const Task& task) {
  return task.figure(predict_examples(model, gates, examples), examples.targets);
}

}  // namespace espalier
