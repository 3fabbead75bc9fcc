// Answers as text: what a label column would hold, and as JSON.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/runtime/engine.h"
#include "core/task/squad_answers.h"

namespace espalier::server {

// How a row of a request was read: one window, or several; their inputs have gone to the engine.
struct ReadRow {
  Sample sample;
  std::vector<Features> windows;
  bool is_ids =
      false;  // a question that came as ids: its places count tokens, and it has no sample
};

// The engine's answers to a row of a request, one for each window.
struct RowAnswer {
  std::span<const runtime::Answer> windows;
  const ReadRow* read = nullptr;  // null: the row came as ids or pixels, and is no question
  SpanAnswer span;                // to a question, over all windows
};

// Makes what the functions below read; a question, which must have been `read`, is answered here,
// once for all outputs.
RowAnswer row_answer(const runtime::ModelInfo& info, std::span<const runtime::Answer> windows,
                     const ReadRow* read);

// The name of a label, or its number where the model has no names.
std::string label_name(const runtime::ModelInfo& info, int label);

// The answer as a data set's label column writes it: a name; a number; names with "|" between them;
// names with spaces between them, one for each word, or for each token of a row of ids; the part of
// the context that answers a question, or "" where nothing does, and the first and the last token
// of a row of ids; of masked language models the best words, with spaces between them.
std::string label_text(const runtime::ModelInfo& info, const RowAnswer& answer);

// {"label", "score"}, {"value"}, {"labels": [{"label", "score"}]}, {"tags": [{"word", "begin",
// "end", "tag", "score"}]} or {"answer", "begin", "end", "score"}: places in code points of the
// text or the context; of a row of ids {"token", "tag", "score"} and {"first_token", "last_token",
// "score"}. Masked language models: {"masks": [{"begin", "end", "words": [{"word", "score"}]}]},
// where the best word comes first, a mask in the second text has "in": "text_pair", and rows of ids
// have no places; and "follows", the probability that the second text follows the first, where the
// model knows.
std::string answer_json(const runtime::ModelInfo& info, const RowAnswer& answer);

// The probability of the answer; of a question's, among its n best. 0 for numbers.
float confidence_of(const runtime::ModelInfo& info, const RowAnswer& answer);

}  // namespace espalier::server
