// From the start and end logits of a question's windows to its answer, as the question-answering
// example of Hugging Face's transformers does it (postprocess_qa_predictions): the best starts
// times the best ends of every window, the allowed pairs of all windows in one list.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"

namespace espalier {

// One tokenised piece of question and context, T tokens each; token 0 is [CLS], whose logits say
// "no answer here". The spans must outlive the call only.
struct AnswerWindow {
  std::span<const float> start, end;  // logits
  // In the context, in code points; of special tokens, question and padding: begin -1.
  std::span<const Span> places;
};

struct AnswerOptions {
  int n_best = 20;            // starts, ends and answers that are kept; 1..100
  int max_length = 30;        // tokens of an answer, at least 1
  bool may_be_none = false;   // SQuAD v2: there may be no answer
  double none_threshold = 0;  // none wins where its score is above the best answer's by more
};

struct SpanAnswer {
  Span span;                 // of the context; empty: no answer
  float start = 0, end = 0;  // logits
  float score = 0;           // their sum
  double probability = 0;    // softmax of the scores over the list
  bool none() const { return span.begin >= span.end; }
};

struct AnsweredQuestion {
  // The first of `n_best` that is an answer, unless "no answer" beats it.
  SpanAnswer best;
  // Score of no answer (the lowest over the windows: all have to agree) minus the best answer's;
  // SQuAD's `no_answer`. +infinity where no pair is allowed. Only with may_be_none.
  double none_minus_best = 0;
  // Falling scores; equal ones in the order of window, then start logit, then end logit, where
  // equal logits go by position. With may_be_none it holds "no answer", last if it came out below
  // the n_best, so there are at most n_best + 1.
  std::vector<SpanAnswer> n_best;
};

// INVALID_ARGUMENT for spans of unequal length, logits that are not finite (the token is named)
// and options out of range. Without windows, or where no pair is allowed, the answer is none.
//
// Differences from the example: equal logits are in a fixed order there too, but one that depends
// on NumPy's sort; probabilities are summed in double; where no pair is allowed it answers with the
// word "empty"; tokens of no text may begin and end an answer of no text there. Scores are float
// sums as there, so that the same scores tie.
absl::StatusOr<AnsweredQuestion> answer_question(std::span<const AnswerWindow> windows,
                                                 const AnswerOptions& options);

// Text of code points begin..end-1 of a UTF-8 text, cut to what is there.
std::string_view code_points(std::string_view text, Span span);

}  // namespace espalier
