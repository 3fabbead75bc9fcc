// Masked language modelling: texts without labels, some of whose words are hidden and asked for
// (masking.h); and, where the data has pairs, next-sentence prediction over them
// (next_sentence.h). In serving it is the words at the mask tokens that the text itself holds.
//
// Metrics: the share of asked words that are right, which decides, and their perplexity, where less
// is better (1e300 where it is infinite); both are drawn again by rows, for the words
// of a row depend on each other. And the share of right next-sentence answers, where they are
// known.
#pragma once

#include "core/task/task.h"

namespace espalier {

class FillMask : public Task {
 public:
  using Task::Task;

  // Other masks over the same words.
  void redraw(uint64_t seed, const Reading& reading, Input& input,
              std::vector<float>& target) const override;
  // Of the logits [asked, V] and, where there are next-sentence labels, the two of the sentences
  // behind them: each asked word's log-probability and whether it was the largest (1 or 0), then
  // whether the sentences' answer is right, if that is known. Logits that give the truth no
  // probability that is a number are wrong, and the loss of them is infinite.
  Prediction prediction(std::vector<float> logits, int exit_layer, const Examples& examples,
                        int64_t i) const override;

 protected:
  // With a target (one number, see NextSentence; kNotKnown will do) masks are drawn, the same ones
  // for the same text. Features::target is then the word of each asked token and that number. A
  // sample without a word that could be asked for has no features: it is left out.
  // Without one, the mask tokens in the sample are asked for, each with a Word: its place, and
  // index 0 in the text and 1 in the pair. INVALID_ARGUMENT where none is left to ask for.
  absl::StatusOr<std::vector<Features>> features_of(const Reading& reading,
                                                    const Sample& sample) const override;
  Scores scores(std::span<const Prediction> predictions, const Examples& examples) const override;

 private:
  bool has_sentences() const { return labels().size() == 2; }
};

}  // namespace espalier
