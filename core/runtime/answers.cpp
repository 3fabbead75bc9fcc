#include "core/runtime/answers.h"

#include <algorithm>

namespace espalier::runtime {
namespace {

Tensor probabilities_of(Objective objective, const Tensor& logits) {
  if (objective == Objective::kValue) return at::empty({0});
  return objective == Objective::kLabels ? at::sigmoid(logits) : at::softmax(logits, -1);
}

// A row is as sure as the least sure of its tokens.
void read_tokens(int64_t classes, Answer& answer) {
  answer.label = -1;
  answer.confidence = 1;
  for (size_t at = 0; at < answer.logits.size(); at += static_cast<size_t>(classes)) {
    answer.labels.push_back(
        largest(std::span(answer.logits).subspan(at, static_cast<size_t>(classes))));
    answer.confidence = std::min(
        answer.confidence, answer.probabilities[at + static_cast<size_t>(answer.labels.back())]);
  }
}

void read_answer(Objective objective, int64_t classes, Answer& answer) {
  if (objective == Objective::kTokenClasses) return read_tokens(classes, answer);
  if (objective == Objective::kValue) {
    answer.label = -1;
    return;
  }
  answer.label = largest(answer.logits);
  answer.confidence = answer.probabilities[static_cast<size_t>(answer.label)];
  for (int c = 0; objective == Objective::kLabels && c < classes; ++c) {
    if (answer.logits[static_cast<size_t>(c)] > 0) answer.labels.push_back(c);
  }
}

}  // namespace

std::vector<Answer> answers_of(Objective objective, HeadKind head, const Trace& trace,
                               std::span<const Input* const> inputs) {
  Tensor logits = trace.logits.to(at::kCPU, at::kFloat).contiguous();
  Tensor probabilities = probabilities_of(objective, logits).contiguous();
  Tensor exit_layer = trace.exit_layer.to(at::kCPU).contiguous();
  const int64_t classes = logits.size(1);
  const float* l = logits.data_ptr<float>();
  const float* p = probabilities.data_ptr<float>();
  std::vector<Answer> out(inputs.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t count = answer_lines(head, *inputs[i]) * classes;
    out[i].logits.assign(l, l + count);
    l += count;
    if (objective != Objective::kValue) {
      out[i].probabilities.assign(p, p + count);
      p += count;
    }
    out[i].exit_layer = static_cast<int>(exit_layer.data_ptr<int64_t>()[i]);
    read_answer(objective, classes, out[i]);
  }
  return out;
}

}  // namespace espalier::runtime
