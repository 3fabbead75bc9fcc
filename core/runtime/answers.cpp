#include "core/runtime/answers.h"

#include <algorithm>
#include <cmath>

#include "core/model/batch.h"
#include "core/model/row_logits.h"

namespace espalier::runtime {
namespace {

constexpr int64_t kWordGuesses = 5, kLinesAtOnce = 256;

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

// The likeliest words of each line of logits, [n, kWordGuesses] on the host.
struct Guesses {
  Tensor ids, scores;
};

// Some lines at a time: the temporaries of all, each as wide as the vocabulary, would be as large
// as the logits themselves.
Guesses guess_words(const Tensor& lines) {
  std::vector<Tensor> ids, scores;
  for (const Tensor& some : lines.split(kLinesAtOnce)) {
    const Tensor logits = some.to(at::kFloat);
    const auto [best, id] = at::topk(logits, std::min(kWordGuesses, logits.size(1)), /*dim=*/-1);
    const Tensor sum = at::logsumexp(logits, {-1}, /*keepdim=*/true);
    scores.push_back((best - sum).exp().to(at::kCPU));
    ids.push_back(id.to(at::kCPU));
  }
  return {at::cat(ids), at::cat(scores)};
}

std::vector<float> floats_of(const Tensor& tensor) {
  const Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  return {host.data_ptr<float>(), host.data_ptr<float>() + host.numel()};
}

// The best words for everything that is asked, a row as sure as the least sure of them.
std::vector<Answer> word_answers(HeadKind head, const Trace& trace, std::span<const Row> rows) {
  const Guesses guesses = guess_words(trace.logits);
  const float* score = guesses.scores.data_ptr<float>();
  const int64_t* id = guesses.ids.data_ptr<int64_t>();
  const Tensor exit_layer = trace.exit_layer.to(at::kCPU).contiguous();
  std::vector<Answer> out(rows.size());
  int64_t line = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t lines = answer_lines(head, rows[i].input);
    if (rows[i].with_logits) out[i].logits = floats_of(trace.logits.narrow(0, line, lines));
    line += lines;
    out[i].label = -1;
    out[i].confidence = 1;
    out[i].exit_layer = static_cast<int>(exit_layer.data_ptr<int64_t>()[i]);
    for (int64_t asked = 0; asked < lines; ++asked) {
      auto& words = out[i].words.emplace_back();
      for (int64_t k = 0; k < guesses.ids.size(1); ++k)
        words.push_back({static_cast<int32_t>(*id++), *score++, {}});
      out[i].confidence = std::min(out[i].confidence, words.front().score);
    }
  }
  RowLogits sentences(HeadKind::kSequence, trace.sentence_logits);
  for (size_t i = 0; i < out.size(); ++i) out[i].sentence_logits = sentences.next(rows[i].input);
  return out;
}

}  // namespace

std::vector<Answer> answers_of(Objective objective, HeadKind head, const Trace& trace,
                               std::span<const Row> rows) {
  if (objective == Objective::kWords) return word_answers(head, trace, rows);
  Tensor logits = trace.logits.to(at::kCPU, at::kFloat).contiguous();
  Tensor probabilities = probabilities_of(objective, logits).contiguous();
  Tensor exit_layer = trace.exit_layer.to(at::kCPU).contiguous();
  const int64_t classes = logits.size(1);
  const float* l = logits.data_ptr<float>();
  const float* p = probabilities.data_ptr<float>();
  std::vector<Answer> out(rows.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t count = answer_lines(head, rows[i].input) * classes;
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
