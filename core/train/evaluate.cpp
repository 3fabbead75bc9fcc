#include "core/train/evaluate.h"

#include "core/model/train_backend.h"
#include "core/model/walk.h"

namespace espalier {
namespace {
constexpr int64_t kEvaluationTokens = 4096;
}

std::vector<Prediction> predict_examples(const Model& model, const Gates& gates,
                                         const Examples& examples, const Task& task) {
  torch::NoGradGuard no_grad;
  TrainBackend backend(model);
  std::vector<Prediction> out(static_cast<size_t>(examples.size()));
  for (const auto& rows : evaluation_batches(examples, kEvaluationTokens)) {
    Trace trace = walk(backend, make_batch(examples, rows, false), gates);
    Tensor logits = trace.logits.to(at::kCPU, at::kFloat).contiguous();
    const float* data = logits.data_ptr<float>();
    for (int64_t row : rows) {
      const Input& input = examples.inputs[static_cast<size_t>(row)];
      const int64_t count = answer_lines(model.config.head, input) * logits.size(1);
      out[static_cast<size_t>(row)] = task.prediction(
          {data, data + count}, static_cast<int>(model.layers.size()), examples, row);
      data += count;
    }
  }
  return out;
}

double first_metric(const Model& model, const Gates& gates, const Examples& examples,
                    const Task& task) {
  return task.figure(predict_examples(model, gates, examples, task), examples);
}

}  // namespace espalier
