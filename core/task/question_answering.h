// Questions that a span of a text answers: windows of question and context (question_windows.h),
// the best pair of start and end over all windows of a question (squad_answers.h), judged as SQuAD
// judges (squad.h). Its one label name, kNoAnswer, says that questions may have no answer in their
// context (SQuAD 2.0). Metrics: mean token F1 and the share of exact matches.
#pragma once

#include "core/task/squad_answers.h"
#include "core/task/task.h"

namespace espalier {

class QuestionAnswering : public Task {
 public:
  using Task::Task;

 protected:
  // The sample's text is the question and its pair the context. Features::target: start and end
  // token, of the first right answer; token 0 twice where the window does not hold it.
  absl::StatusOr<std::vector<Features>> features_of(const Reading& reading,
                                                    const Sample& sample) const override;
  // By SQuAD 1.1 where every question has an answer, else by 2.0. Logits that are not finite are
  // wrong, also where there is no answer.
  Scores scores(std::span<const Prediction> predictions, const Examples& examples) const override;
};

// What a model says of one window of T tokens: start and end logits, [T,2] flat.
struct WindowLogits {
  std::span<const float> logits;
  std::span<const Span> places;  // [T]
};

// The answer of all windows of a question, in evaluation and in serving. `label_names`: the task's.
absl::StatusOr<AnsweredQuestion> answer_windows(std::span<const WindowLogits> windows,
                                                const std::vector<std::string>& label_names);

}  // namespace espalier
