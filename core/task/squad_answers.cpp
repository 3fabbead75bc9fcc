#include "core/task/squad_answers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

constexpr int kMostAnswers = 100;

absl::Status check_options(const AnswerOptions& options) {
  if (options.n_best < 1 || options.n_best > kMostAnswers)
    return absl::InvalidArgumentError(
        absl::StrCat("n_best is ", options.n_best, "; 1 to ", kMostAnswers, " would work"));
  if (options.max_length < 1)
    return absl::InvalidArgumentError(absl::StrCat("the longest answer is ", options.max_length,
                                                   " tokens; at least 1 would work"));
  return absl::OkStatus();
}

absl::Status check_window(size_t index, const AnswerWindow& window) {
  const size_t tokens = window.places.size();
  if (tokens == 0 || window.start.size() != tokens || window.end.size() != tokens)
    return absl::InvalidArgumentError(absl::StrCat(
        "window ", index, " has ", window.start.size(), " start logits, ", window.end.size(),
        " end logits and ", tokens, " places; they must be equally many, and not none"));
  for (size_t t = 0; t < tokens; ++t) {
    if (!std::isfinite(window.start[t]) || !std::isfinite(window.end[t]))
      return absl::InvalidArgumentError(
          absl::StrCat("window ", index, ", token ", t, ": start logit ", window.start[t],
                       ", end logit ", window.end[t], "; both must be finite"));
  }
  return absl::OkStatus();
}

// Positions of the `count` largest logits, largest first, equal ones by position.
std::vector<int> n_largest(std::span<const float> logits, int count) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto middle = order.begin() + std::min<ptrdiff_t>(count, std::ssize(order));
  auto at = [&](int i) { return logits[static_cast<size_t>(i)]; };
  std::partial_sort(order.begin(), middle, order.end(),
                    [&](int a, int b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  order.erase(middle, order.end());
  return order;
}

SpanAnswer make_answer(const AnswerWindow& window, int first, int last, Span span) {
  const float start = window.start[static_cast<size_t>(first)];
  const float end = window.end[static_cast<size_t>(last)];
  return {span, start, end, start + end, 0};
}

void add_answers(const AnswerWindow& window, const AnswerOptions& options,
                 std::vector<SpanAnswer>& out) {
  const std::vector<int> ends = n_largest(window.end, options.n_best);
  for (const int first : n_largest(window.start, options.n_best)) {
    for (const int last : ends) {
      const Span& begin = window.places[static_cast<size_t>(first)];
      const Span& end = window.places[static_cast<size_t>(last)];
      if (begin.begin < 0 || end.begin < 0) continue;
      if (last < first || last - first >= options.max_length) continue;
      if (begin.begin >= end.end) continue;
      out.push_back(make_answer(window, first, last, {begin.begin, end.end}));
    }
  }
}

void keep_best(std::vector<SpanAnswer>& answers, int count) {
  std::stable_sort(answers.begin(), answers.end(),
                   [](const SpanAnswer& a, const SpanAnswer& b) { return a.score > b.score; });
  if (std::ssize(answers) > count) answers.resize(static_cast<size_t>(count));
}

void fill_probabilities(std::vector<SpanAnswer>& answers) {
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const SpanAnswer& answer : answers) largest = std::max<double>(largest, answer.score);
  for (SpanAnswer& answer : answers) sum += answer.probability = std::exp(answer.score - largest);
  for (SpanAnswer& answer : answers) answer.probability /= sum;
}

// "No answer" joins the list, at its end if it is not among the best.
void add_none(const SpanAnswer& none, int n_best, std::vector<SpanAnswer>& answers) {
  answers.push_back(none);
  keep_best(answers, n_best);
  if (!std::any_of(answers.begin(), answers.end(), [](auto& answer) { return answer.none(); }))
    answers.push_back(none);
}

void choose(const AnswerOptions& options, AnsweredQuestion& out) {
  const auto found = std::find_if(out.n_best.begin(), out.n_best.end(),
                                  [](const SpanAnswer& answer) { return !answer.none(); });
  const auto none = std::find_if(out.n_best.begin(), out.n_best.end(),
                                 [](const SpanAnswer& answer) { return answer.none(); });
  if (found != out.n_best.end()) out.best = *found;
  if (!options.may_be_none) return;
  // Float by float, as the example subtracts.
  out.none_minus_best = found != out.n_best.end() ? none->score - found->start - found->end
                                                  : std::numeric_limits<double>::infinity();
  if (out.none_minus_best > options.none_threshold) out.best = *none;
}

}  // namespace

absl::StatusOr<AnsweredQuestion> answer_question(std::span<const AnswerWindow> windows,
                                                 const AnswerOptions& options) {
  ESPALIER_RETURN_IF_ERROR(check_options(options));
  AnsweredQuestion out;
  SpanAnswer none;
  for (size_t w = 0; w < windows.size(); ++w) {
    ESPALIER_RETURN_IF_ERROR(check_window(w, windows[w]));
    const SpanAnswer here = make_answer(windows[w], 0, 0, {0, 0});
    if (w == 0 || here.score < none.score) none = here;
    add_answers(windows[w], options, out.n_best);
    keep_best(out.n_best, options.n_best);
  }
  if (options.may_be_none) add_none(none, options.n_best, out.n_best);
  fill_probabilities(out.n_best);
  choose(options, out);
  return out;
}

std::string_view code_points(std::string_view text, Span span) {
  size_t begin = text.size(), end = text.size();
  int32_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) == 0x80) continue;
    if (seen == span.begin) begin = i;
    if (seen == span.end) end = i;
    ++seen;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

}  // namespace espalier
