#include "core/task/squad.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace espalier {
namespace {

// str.lower: full mappings and the final sigma, no language's own rules.
std::string lower(std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr,
                            error);
  return out;
}

// string.punctuation: what ASCII can print, without letters, digits and the space.
bool is_ascii_mark(UChar32 c) { return c > ' ' && c < 127 && !u_isalnum(c); }

// \w of Python's re: letters and numbers of any kind, but no combining marks.
bool is_word_character(UChar32 c) {
  return (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0 || c == '_';
}

// Drops the run of word characters that ends `text` if it is an article.
void cut_article(std::string& text, size_t run_begin) {
  const std::string_view run = std::string_view(text).substr(run_begin);
  if (run != "a" && run != "an" && run != "the") return;
  text.resize(run_begin);
  text.push_back(' ');
}

// One space for every stretch of white space, none at the ends.
std::string single_spaced(std::string_view text) {
  std::string out;
  const auto length = static_cast<int32_t>(text.size());
  bool pending = false;
  for (int32_t i = 0; i < length;) {
    const int32_t begin = i;
    UChar32 c;
    U8_NEXT_OR_FFFD(text.data(), i, length, c);
    if (is_python_space(c)) {
      pending = true;
      continue;
    }
    if (pending && !out.empty()) out.push_back(' ');
    pending = false;
    out.append(text.substr(static_cast<size_t>(begin), static_cast<size_t>(i - begin)));
  }
  return out;
}

using Tokens = std::vector<std::string_view>;

// The words of a normalised answer.
Tokens tokens_of(std::string_view text) {
  Tokens out;
  while (!text.empty()) {
    const size_t length = std::min(text.find(' '), text.size());
    out.push_back(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

double token_f1(const Tokens& prediction, const Tokens& answer, SquadVersion version) {
  if (version == SquadVersion::kV2 && (prediction.empty() || answer.empty()))
    return prediction.empty() && answer.empty() ? 1 : 0;
  std::map<std::string_view, int64_t> left;
  for (std::string_view token : answer) ++left[token];
  int64_t same = 0;
  for (std::string_view token : prediction) {
    auto found = left.find(token);
    same += found != left.end() && found->second-- > 0;
  }
  if (same == 0) return 0;
  return 2.0 * static_cast<double>(same) / static_cast<double>(prediction.size() + answer.size());
}

std::vector<std::string> normalised_answers(std::span<const std::string> answers,
                                            SquadVersion version) {
  std::vector<std::string> out;
  for (const std::string& answer : answers) {
    std::string text = normalise_answer(answer);
    if (version == SquadVersion::kV1 || !text.empty()) out.push_back(std::move(text));
  }
  if (version == SquadVersion::kV2 && out.empty()) out.emplace_back();
  return out;
}

void add_score(SquadFigures& sums, const SquadScore& score) {
  sums.exact += score.exact;
  sums.f1 += score.f1;
  ++sums.count;
}

SquadFigures means_of(SquadFigures sums) {
  if (sums.count == 0) return sums;
  const auto count = static_cast<double>(sums.count);
  return {sums.exact / count, sums.f1 / count, sums.count};
}

struct Best {
  double figure, threshold;
};

// Lets one question after another, the surest of its answer first, give its answer.
Best best_of(std::span<const SquadQuestion> questions, std::span<const SquadScore> scores,
             std::span<const size_t> surest_first, double SquadScore::*figure) {
  double now = 0;
  for (const SquadQuestion& question : questions) now += question.answers.empty();
  Best best{now, 0};
  for (const size_t i : surest_first) {
    const SquadQuestion& question = questions[i];
    if (!question.answers.empty()) {
      now += scores[i].*figure;
    } else if (!question.prediction.empty()) {
      now -= 1;
    }
    if (now > best.figure) best = {now, question.no_answer};
  }
  best.figure /= static_cast<double>(std::max<size_t>(questions.size(), 1));
  return best;
}

}  // namespace

// White_Space and the four separators of ASCII.
bool is_python_space(int32_t c) { return u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

std::string normalise_answer(std::string_view text) {
  const std::string lowered = lower(text);
  std::string kept;
  kept.reserve(lowered.size());
  const auto length = static_cast<int32_t>(lowered.size());
  constexpr size_t kOutside = std::string::npos;
  size_t run_begin = kOutside;
  for (int32_t i = 0; i < length;) {
    const int32_t begin = i;
    UChar32 c;
    U8_NEXT_OR_FFFD(lowered.data(), i, length, c);
    if (is_ascii_mark(c)) continue;  // "don't" is one word afterwards
    const bool in_word = is_word_character(c);
    if (in_word && run_begin == kOutside) run_begin = kept.size();
    if (!in_word && run_begin != kOutside) {
      cut_article(kept, run_begin);
      run_begin = kOutside;
    }
    kept.append(lowered, static_cast<size_t>(begin), static_cast<size_t>(i - begin));
  }
  if (run_begin != kOutside) cut_article(kept, run_begin);
  return single_spaced(kept);
}

SquadScore score_answer(std::string_view prediction, std::span<const std::string> answers,
                        SquadVersion version) {
  const std::string said = normalise_answer(prediction);
  const Tokens said_tokens = tokens_of(said);
  SquadScore best;
  for (const std::string& answer : normalised_answers(answers, version)) {
    best.exact = std::max(best.exact, answer == said ? 1.0 : 0.0);
    best.f1 = std::max(best.f1, token_f1(said_tokens, tokens_of(answer), version));
  }
  return best;
}

SquadReport evaluate_squad(std::span<const SquadQuestion> questions, SquadVersion version,
                           double threshold) {
  SquadReport out;
  for (const SquadQuestion& question : questions) {
    const bool has_answer = !question.answers.empty();
    SquadScore score = score_answer(question.prediction, question.answers, version);
    if (version == SquadVersion::kV2 && question.no_answer > threshold)
      score.exact = score.f1 = has_answer ? 0 : 1;
    add_score(out.total, score);
    add_score(has_answer ? out.has_answer : out.no_answer, score);
    out.scores.push_back(score);
  }
  out.total = means_of(out.total);
  out.has_answer = means_of(out.has_answer);
  out.no_answer = means_of(out.no_answer);
  return out;
}

SquadThresholds best_thresholds(std::span<const SquadQuestion> questions) {
  const std::vector<SquadScore> scores = evaluate_squad(questions, SquadVersion::kV2).scores;
  std::vector<size_t> surest_first(questions.size());
  std::iota(surest_first.begin(), surest_first.end(), size_t{0});
  auto key = [&](size_t i) {  // sorting needs an order, which NaN has not
    const double value = questions[i].no_answer;
    return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
  };
  std::stable_sort(surest_first.begin(), surest_first.end(),
                   [&](size_t i, size_t j) { return key(i) < key(j); });
  const Best exact = best_of(questions, scores, surest_first, &SquadScore::exact);
  const Best f1 = best_of(questions, scores, surest_first, &SquadScore::f1);
  return {exact.figure, exact.threshold, f1.figure, f1.threshold};
}

}  // namespace espalier
