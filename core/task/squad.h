// The official evaluation of SQuAD v1.1 and v2.0 (evaluate-v1.1.py, evaluate-v2.0.py of the data
// set's authors): exact match and token F1 after normalising, the best of several right answers.
// Figures are shares of 1; the scripts print them times 100.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// Lower-cased, without ASCII punctuation, without the words a, an and the, single spaces between
// what is left. Means what Python's str.lower, string.punctuation, \b of re and str.split mean.
// Bytes that are not UTF-8 stay, as characters of no word.
std::string normalise_answer(std::string_view text);

// What str.strip and str.split of Python take for white space.
bool is_python_space(int32_t c);

// The versions differ in one place, answers of which nothing is left: in v2 they match each other
// (both say there is no answer), in v1 they share no token and have F1 0.
enum class SquadVersion { kV1, kV2 };

struct SquadScore {
  double exact = 0, f1 = 0;
};

// The best exact match and the best F1 over `answers`, each by itself. v2 drops answers of which
// nothing is left; where none remains, the right prediction is the empty one. v1 without answers
// (its script fails there): 0.
SquadScore score_answer(std::string_view prediction, std::span<const std::string> answers,
                        SquadVersion version);

struct SquadQuestion {
  std::string prediction;            // empty: no answer
  std::vector<std::string> answers;  // empty: the question has none
  // How sure the model is that there is no answer, on any scale; v2's thresholds are on it.
  double no_answer = 0;
};

struct SquadFigures {
  double exact = 0, f1 = 0;
  int64_t count = 0;  // of questions; both means are 0 where it is
};

struct SquadReport {
  SquadFigures total, has_answer, no_answer;  // no_answer: questions without right answers
  std::vector<SquadScore> scores;             // one a question, in their order
};

// A question whose `no_answer` is above `threshold` counts as answered by nothing, whatever its
// prediction: its scores are 1 if it has no answers, else 0 (v2 only).
SquadReport evaluate_squad(std::span<const SquadQuestion> questions, SquadVersion version,
                           double threshold = std::numeric_limits<double>::infinity());

// v2's search: the thresholds on `no_answer` that would have given the best figures, and those
// figures. 0 where answering nothing at all is best. Like the script, it may put the threshold
// between questions of equal `no_answer`; those are taken in the order given.
struct SquadThresholds {
  double exact = 0, exact_threshold = 0, f1 = 0, f1_threshold = 0;
};
SquadThresholds best_thresholds(std::span<const SquadQuestion> questions);

}  // namespace espalier
