#include "core/task/question_answering.h"

#include <algorithm>
#include <utility>

#include "core/base/status_macros.h"
#include "core/task/question_windows.h"
#include "core/task/resample_statistics.h"
#include "core/task/squad.h"
#include "core/text/utf8.h"

namespace espalier {
namespace {

// The first right answer, which training aims at; an empty one at 0 where there is none.
Span place_of_answer(const Sample& sample) {
  if (sample.answers.empty() || sample.answer_begins.empty()) return {};
  const int32_t begin = sample.answer_begins[0];
  return {begin, begin + count_characters(sample.answers[0])};
}

std::vector<float> target_of(const std::vector<Span>& places, Span answer) {
  const AnswerTokens tokens =
      answer.begin < answer.end ? answer_tokens(places, answer) : AnswerTokens();
  return {static_cast<float>(tokens.start), static_cast<float>(tokens.end)};
}

// What a model says to a question; nothing where its logits are not finite, which is not the same
// as saying that there is no answer.
struct Judged {
  SquadQuestion question;
  bool says = true;
};

// Inputs first..last - 1 are a question's windows.
Judged judged(std::span<const Prediction> predictions, const Examples& examples, size_t first,
              size_t last, const std::vector<std::string>& label_names) {
  const Passage& passage = examples.passages[static_cast<size_t>(examples.sample_of[first])];
  std::vector<WindowLogits> windows;
  for (size_t i = first; i < last; ++i)
    windows.push_back({predictions[i].logits, examples.places[i]});
  Judged out;
  out.question.answers = passage.answers;
  const absl::StatusOr<AnsweredQuestion> answered = answer_windows(windows, label_names);
  out.says = answered.ok();
  if (out.says) out.question.prediction = code_points(passage.text, answered->best.span);
  return out;
}

}  // namespace

absl::StatusOr<AnsweredQuestion> answer_windows(std::span<const WindowLogits> windows,
                                                const std::vector<std::string>& label_names) {
  std::vector<std::vector<float>> sides;  // start and end of every window
  for (const WindowLogits& window : windows) {
    for (const size_t side : {0, 1}) {
      std::vector<float>& logits = sides.emplace_back();
      for (size_t at = side; at < window.logits.size(); at += 2)
        logits.push_back(window.logits[at]);
    }
  }
  std::vector<AnswerWindow> split;
  for (size_t w = 0; w < windows.size(); ++w)
    split.push_back({sides[2 * w], sides[2 * w + 1], windows[w].places});
  return answer_question(split, {.may_be_none = !label_names.empty()});
}

absl::StatusOr<std::vector<Features>> QuestionAnswering::features_of(const Reading& reading,
                                                                     const Sample& sample) const {
  if (sample.pair.empty()) {
    return absl::InvalidArgumentError(
        "a question came without its context; the text is the question, its pair the context");
  }
  ESPALIER_ASSIGN_OR_RETURN(
      std::vector<QuestionWindow> windows,
      question_windows(*reading.tokenizer, sample.text, sample.pair, reading.max_length));
  const Span answer = place_of_answer(sample);
  std::vector<Features> out;
  for (QuestionWindow& window : windows) {
    Features& features = out.emplace_back();
    features.input.ids = std::move(window.input.ids);
    features.input.types = std::move(window.input.types);
    features.truncated = window.input.truncated;
    features.places = std::move(window.places);
    if (!sample.target.empty()) features.target = target_of(features.places, answer);
  }
  return out;
}

Task::Scores QuestionAnswering::scores(std::span<const Prediction> predictions,
                                       const Examples& examples) const {
  std::vector<SquadQuestion> questions;
  std::vector<double> says;  // 1, or 0
  for (size_t first = 0, last = 0; first < predictions.size(); first = last) {
    while (last < predictions.size() && examples.sample_of[last] == examples.sample_of[first])
      ++last;
    if (!examples.targets.known(static_cast<int64_t>(first))) continue;
    Judged one = judged(predictions, examples, first, last, labels());
    questions.push_back(std::move(one.question));
    says.push_back(one.says ? 1 : 0);
  }
  const bool all_have = std::all_of(questions.begin(), questions.end(),
                                    [](const SquadQuestion& one) { return !one.answers.empty(); });
  const SquadReport report =
      evaluate_squad(questions, all_have ? SquadVersion::kV1 : SquadVersion::kV2);
  std::vector<double> f1, exact;
  for (size_t i = 0; i < questions.size(); ++i) {
    f1.push_back(says[i] * report.scores[i].f1);
    exact.push_back(says[i] * report.scores[i].exact);
  }
  Scores out;
  out.examples = static_cast<int64_t>(questions.size());
  out.list.push_back({"f1", mean_statistic(std::move(f1))});
  out.list.push_back({"exact_match", mean_statistic(std::move(exact)), Score::Kind::kShare});
  return out;
}

}  // namespace espalier
