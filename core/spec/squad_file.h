// Question answering as SQuAD's files say it, versions 1.1 and 2.0 (Rajpurkar et al. 2016, 2018):
//
//   {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "is_impossible",
//     "answers": [{"text", "answer_start"}]}]}]}]}
//
// Other fields (version, title, plausible_answers) are not looked at.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "core/spec/dataset_spec.h"

namespace espalier {

// The official files have 45 MB at most. Every question takes its own copy of the context, so all
// of these together are bounded too. A text is no longer than the inference server would take it.
inline constexpr size_t kMaxSquadBytes = 256 << 20, kMaxSquadTextBytes = 256 << 10,
                        kMaxSquadContextsBytes = 1 << 30;

// Which questions of a file must have answers.
enum class SquadAnswers {
  kOfEach,       // all: to train on
  kOfAllOrNone,  // all, if one has
  kIgnored,      // none, and nobody looks at them
};

// One row a question, in the order of the file: `text` the question, `pair` the context, `answers`
// the right ones. The target is 1 where there is an answer and 0 where there is none (an empty list
// of answers, or is_impossible). A file in which no question has the field `answers` or
// is_impossible has no targets, and where they are ignored none has.
//
// INVALID_ARGUMENT names the file, the article, the paragraph and the question. Unlike Hugging
// Face's loading, which believes the file, an answer must stand in its context at `answer_start`,
// counted in code points, and is_impossible must not contradict the list of answers; SQuAD's own
// files pass.
absl::StatusOr<Rows> read_squad(const std::string& path, SquadAnswers answers);

}  // namespace espalier
