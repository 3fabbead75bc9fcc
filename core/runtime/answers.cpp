#include "core/runtime/answers.h"

#include <algorithm>
#include <cmath>

#include "core/model/row_logits.h"

namespace espalier::runtime {
namespace {

constexpr int64_t kWordGuesses = 5;

// None where they are not a function of a line of logits.
Tensor probabilities_of(Objective objective, const Tensor& logits) {
  if (objective == Objective::kValue || objective == Objective::kSpan) return at::empty({0});
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

// Softmax of every second logit from `side` on: over the tokens of the row. Returns the likeliest.
int read_side(size_t side, Answer& answer) {
  const std::vector<float>& logits = answer.logits;
  size_t best = side;
  for (size_t at = side; at < logits.size(); at += 2) {
    if (logits[at] > logits[best]) best = at;
  }
  double sum = 0;
  for (size_t at = side; at < logits.size(); at += 2) sum += std::exp(logits[at] - logits[best]);
  for (size_t at = side; at < logits.size(); at += 2) {
    answer.probabilities[at] = static_cast<float>(std::exp(logits[at] - logits[best]) / sum);
  }
  answer.confidence = std::min(answer.confidence, answer.probabilities[best]);
  return static_cast<int>(best / 2);
}

void read_span(Answer& answer) {
  answer.label = -1;
  answer.confidence = 1;
  answer.probabilities.resize(answer.logits.size());
  for (const size_t side : {0, 1}) answer.labels.push_back(read_side(side, answer));
}

void read_answer(Objective objective, int64_t classes, Answer& answer) {
  if (objective == Objective::kTokenClasses) return read_tokens(classes, answer);
  if (objective == Objective::kSpan) return read_span(answer);
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

// The best words for everything that is asked, a row as sure as the least sure of them.
std::vector<Answer> word_answers(HeadKind head, const Trace& trace,
                                 std::span<const Input* const> inputs) {
  Tensor lines = trace.logits.to(at::kFloat);
  auto [best, ids] = at::topk(lines, std::min(kWordGuesses, lines.size(1)), /*dim=*/-1);
  Tensor scores =
      (best - at::logsumexp(lines, {-1}, /*keepdim=*/true)).exp().to(at::kCPU).contiguous();
  ids = ids.to(at::kCPU).contiguous();
  const float* score = scores.data_ptr<float>();
  const int64_t* id = ids.data_ptr<int64_t>();
  RowLogits logits(head, lines);
  Tensor exit_layer = trace.exit_layer.to(at::kCPU).contiguous();
  std::vector<Answer> out(inputs.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].logits = logits.next(*inputs[i]);
    out[i].label = -1;
    out[i].confidence = 1;
    out[i].exit_layer = static_cast<int>(exit_layer.data_ptr<int64_t>()[i]);
    for (size_t asked = 0; asked < inputs[i]->asked.size(); ++asked) {
      auto& guesses = out[i].words.emplace_back();
      for (int64_t k = 0; k < ids.size(1); ++k)
        guesses.push_back({static_cast<int32_t>(*id++), *score++, {}});
      out[i].confidence = std::min(out[i].confidence, guesses.front().score);
    }
  }
  RowLogits sentences(HeadKind::kSequence, trace.sentence_logits);
  for (size_t i = 0; i < out.size(); ++i) out[i].sentence_logits = sentences.next(*inputs[i]);
  return out;
}

}  // namespace

std::vector<Answer> answers_of(Objective objective, HeadKind head, const Trace& trace,
                               std::span<const Input* const> inputs) {
  if (objective == Objective::kWords) return word_answers(head, trace, inputs);
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
    if (probabilities.numel() > 0) {
      out[i].probabilities.assign(p, p + count);
      p += count;
    }
    out[i].exit_layer = static_cast<int>(exit_layer.data_ptr<int64_t>()[i]);
    read_answer(objective, classes, out[i]);
  }
  return out;
}

}  // namespace espalier::runtime
