// A batch as every backend gets it: packed, without padding. A backend that wants padding makes it.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/spec/input.h"
#include "core/spec/model_config.h"

namespace espalier {

using torch::Tensor;

// A token without a label, in the labels of a batch.
constexpr int64_t kUncounted = -100;

struct Batch {
  Tensor ids, types;  // [N] int64, the rows' tokens one after the other; text only
  // Images only: [B, channels * side * side] uint8 as Input has them, or float and normalised.
  Tensor pixels;
  std::vector<int64_t> lengths;  // [B], their sum is N, each at least 1
  Tensor asked;  // [n] int64: places in `ids` whose words are asked for; undefined: all
  // Undefined, or by the task's objective: kClass [B] int64; kValue [B] float; kLabels [B,C] float;
  // kTokenClasses [N] int64, kUncounted where a token has none and kUnknownClass where it has one
  // that is not known; kSpan [B,2] int64, the first and the last token, counted from the row's own
  // first; kWords [n] int64, the words of `asked`. Instead of all B rows those of `labelled`.
  Tensor labels;
  Tensor labelled;         // int64, rising: rows whose label is known; undefined: all
  int64_t counted = -1;    // tokens that have a label, known or not, where tokens have them
  int64_t unlabelled = 0;  // of these, or of the rows: whose label is not known
  // kWords: [B] int64, whether the row's second text follows its first (0) or not (1); kUncounted
  // where that is not known. And the words asked for to each label of these, see weigh_sentences().
  Tensor sentences;
  double words_per_sentence = 0;
  // [C] double, what each label counts; undefined: all the same. And the mean over the units of the
  // whole step of what their labels count; both from weigh_classes(), see task_loss.h.
  Tensor class_weights;
  double mean_class_weight = 1;

  // What a model is asked for: rows, or the tokens that count. Losses that need no labels are means
  // over these.
  int64_t answers() const { return counted < 0 ? rows() : counted; }
  // Those whose label is known: what the task's loss is a mean over. Micro-batches weigh by both.
  int64_t units() const { return answers() - unlabelled; }
  int64_t rows() const { return static_cast<int64_t>(lengths.size()); }
  int64_t tokens() const;
  int64_t longest() const;
  // First token of each row, [B + 1] with N at the end.
  std::vector<int64_t> offsets() const;
  // Moves the tensors to page-locked memory, which a CUDA device reads while the host goes on.
  void pin();
};

// Lines of the logits that a head gives for one input: one, one for each token, or one for each
// word that is asked for.
int64_t answer_lines(HeadKind head, const InputView& input);

// A loss is a mean over units, and those of kWords are words: the step's mean over its sentences is
// their sum times words_per_sentence, over the words. Sets that number in all micro-batches of a
// step to the step's own, so that their losses, weighted by units, add up to that of the step.
void weigh_sentences(std::span<Batch> micro);

// The inputs, all texts or all images of one size, one after the other; without labels. Starts no
// threads: it runs beside a training step, which has them all.
Batch pack(std::span<const InputView> inputs);

}  // namespace espalier
