#include "core/task/question_windows.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/task/squad.h"

namespace espalier {
namespace {

constexpr int kStride = 128, kStrideShare = 3;

// str.lstrip.
std::string_view without_leading_space(std::string_view text) {
  const auto length = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < length;) {
    const auto begin = static_cast<size_t>(i);
    UChar32 c;
    U8_NEXT_OR_FFFD(text.data(), i, length, c);
    if (!is_python_space(c)) return text.substr(begin);
  }
  return {};
}

}  // namespace

int window_stride(int max_length) { return std::min(kStride, max_length / kStrideShare); }

absl::StatusOr<std::vector<QuestionWindow>> question_windows(const Tokenizer& tokenizer,
                                                             std::string_view question,
                                                             std::string_view context,
                                                             int max_length) {
  const int added = tokenizer.added_tokens(true), budget = max_length - added;
  if (budget < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a model that reads ", max_length, " tokens has none left for a question's ",
                     "context: ", added, " are special; at least ", added + 1, " would work"));
  }
  std::vector<int32_t> asked = tokenizer.tokenize(without_leading_space(question));
  const bool cut = asked.size() > static_cast<size_t>(budget / 2);
  if (cut) asked.resize(static_cast<size_t>(budget / 2));
  std::vector<Span> places;
  const std::vector<int32_t> tokens = tokenizer.tokenize(context, &places);

  const size_t room = static_cast<size_t>(budget) - asked.size();
  const size_t step = room - std::min(static_cast<size_t>(window_stride(max_length)), room - 1);
  std::vector<QuestionWindow> out;
  size_t end = 0;
  for (size_t begin = 0; out.empty() || end < tokens.size(); begin += step) {
    end = std::min(begin + room, tokens.size());
    QuestionWindow window;
    window.input = tokenizer.join(asked, std::span(tokens).subspan(begin, end - begin), true);
    window.input.truncated = cut;
    window.places.assign(window.input.ids.size(), {-1, -1});
    std::copy(places.begin() + static_cast<std::ptrdiff_t>(begin),
              places.begin() + static_cast<std::ptrdiff_t>(end),
              window.places.begin() + window.input.second_begin);
    out.push_back(std::move(window));
  }
  return out;
}

AnswerTokens answer_tokens(std::span<const Span> places, Span answer) {
  const auto in_context = [](const Span& place) { return place.begin >= 0; };
  const auto first = std::find_if(places.begin(), places.end(), in_context);
  const auto last = std::find_if_not(first, places.end(), in_context);
  if (first == last || first->begin > answer.begin || (last - 1)->end < answer.end) return {};
  auto start = first, end = last - 1;
  while (start + 1 != last && (start + 1)->begin <= answer.begin) ++start;
  while (end != first && (end - 1)->end >= answer.end) --end;
  if (end < start) std::swap(start, end);
  return {static_cast<int32_t>(start - places.begin()), static_cast<int32_t>(end - places.begin())};
}

}  // namespace espalier
