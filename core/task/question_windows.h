// A question and its context as windows that a model can read, each the question and a piece of the
// context, as the question-answering example of Hugging Face's transformers makes them (run_qa.py):
//
//   tokenizer(question.lstrip(), context, truncation="only_second", max_length=max_length,
//             stride=stride, return_overflowing_tokens=True, return_offsets_mapping=True)
//
// Token ids, types and places equal those of fast tokenizers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"

namespace espalier {

struct QuestionWindow {
  Encoding input;  // truncated: the question was cut
  // Of each token: its code points in the context; begin is -1 where it is not of the context.
  std::vector<Span> places;
};

// Tokens of context that neighbouring windows share: 128 from the example's 384 tokens on, below a
// third of the length.
int window_stride(int max_length);

// At least one window; the last one ends with the context, and all but the first begin with the
// last window_stride() tokens of the one before. A question that takes more than half of the tokens
// that are not special is cut to that half; the example keeps it whole, and raises an error where
// that leaves no room to move on. INVALID_ARGUMENT where max_length leaves no token to the context.
absl::StatusOr<std::vector<QuestionWindow>> question_windows(const Tokenizer& tokenizer,
                                                             std::string_view question,
                                                             std::string_view context,
                                                             int max_length);

// Tokens of a window from which to which an answer goes, both included.
struct AnswerTokens {
  int32_t start = 0, end = 0;
  bool operator==(const AnswerTokens&) const = default;
};

// What a window is trained to say: the tokens around the answer, or twice token 0 ([CLS]) where the
// window does not hold all of it. `answer` counts code points of the context.
//
// As the example's targets, but for two slips of it: an answer that begins with the last token of a
// window starts there, not at the end of the padding; and of a character that is several tokens the
// first is the start and the last the end, not the other way round.
AnswerTokens answer_tokens(std::span<const Span> places, Span answer);

}  // namespace espalier
