// Words in their sentence, one label each. A word's first token carries its label and answers for
// it, as in Hugging Face's examples; its other tokens and the special ones do not count. Metrics:
// micro F1 of entities, read leniently (entity_metrics.h), where the labels mark them; and the
// share of words that are right. Words that do not fit into the model are not counted.
#pragma once

#include "core/task/task.h"

namespace espalier {

class TokenClassification : public Task {
 public:
  using Task::Task;
  static constexpr float kNoClass = -100;

 protected:
  // Features::target has a class for every token, kNoClass where it has none.
  absl::StatusOr<std::vector<Features>> features_of(const Reading& reading,
                                                    const Sample& sample) const override;
  Scores scores(std::span<const Prediction> predictions, const Examples& examples) const override;
};

// A word and its place in the text, in code points.
struct PlacedWord {
  std::string_view text;
  Span place;
};
// The words of a text: what stands between white space.
std::vector<PlacedWord> words_of(std::string_view text);

}  // namespace espalier
