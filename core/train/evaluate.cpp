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
    auto classes = logits.size(1);
    for (size_t i = 0; i < rows.size(); ++i) {
      Prediction& prediction = out[rows[i]];
      prediction.logits.assign(data + static_cast<int64_t>(i) * classes,
                               data + static_cast<int64_t>(i + 1) * classes);
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
