#include "core/train/evaluate.h"

#include "core/model/row_logits.h"
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
    RowLogits lines(model.config.head, trace.logits);
    RowLogits sentences(HeadKind::kSequence, trace.sentence_logits);
    for (int64_t row : rows) {
      const InputView input = examples.input(row);
      out[static_cast<size_t>(row)] =
          task.prediction(joined(lines.next(input), sentences.next(input)),
                          static_cast<int>(model.layers.size()), examples, row);
    }
  }
  return out;
}

double first_metric(const Model& model, const Gates& gates, const Examples& examples,
                    const Task& task) {
  return task.figure(predict_examples(model, gates, examples, task), examples);
}

}  // namespace espalier
