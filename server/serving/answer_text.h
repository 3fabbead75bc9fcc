// Answers as text: what a label column would hold, and as JSON.
#pragma once

#include <string>
#include <vector>

#include "core/runtime/engine.h"

namespace espalier::server {

// The name of a label, or its number where the model has no names.
std::string label_name(const runtime::ModelInfo& info, int label);

// The answer as a data set's label column writes it: a name; a number; names with "|" between them;
// names with spaces between them, one for each word, or for each token where `words` is null (the
// row came as ids).
std::string label_text(const runtime::ModelInfo& info, const runtime::Answer& answer,
                       const std::vector<Word>* words);

// {"label", "score"}, {"value"}, {"labels": [{"label", "score"}]} or {"tags": [{"word", "begin",
// "end", "tag", "score"}]}: places in code points of the text; without words {"token", "tag",
// "score"}.
std::string answer_json(const runtime::ModelInfo& info, const runtime::Answer& answer,
                        const std::vector<Word>* words);

}  // namespace espalier::server
