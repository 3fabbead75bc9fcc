#include "core/task/examples.h"

namespace espalier {
namespace {

// The i-th list of a column, which may have ended before.
template <class T>
std::span<const T> list_of(const LargeLists<T>& column, int64_t i) {
  return i < column.size() ? column[i] : std::span<const T>();
}

template <class T>
void put(std::span<const T> list, int64_t i, LargeLists<T>& column) {
  if (list.empty()) return;
  while (column.size() < i) column.add({});
  column.add(list);
}

}  // namespace

std::string_view Passages::text(int64_t i) const { return text_of(texts, i); }

std::vector<std::string> Passages::answers_of(int64_t i) const {
  std::vector<std::string> out;
  const auto begin = static_cast<int64_t>(i == 0 ? 0 : ends_of_answers[i - 1]);
  const auto end = static_cast<int64_t>(ends_of_answers[i]);
  for (int64_t a = begin; a < end; ++a) out.emplace_back(text_of(answers, a));
  return out;
}

int32_t Examples::tokens(int64_t i) const {
  if (const auto words = list_of(ids, i); !words.empty()) return static_cast<int32_t>(words.size());
  return i < image_tokens.size() ? image_tokens[i] : 0;
}

InputView Examples::input(int64_t i) const {
  InputView out;
  out.ids = list_of(ids, i);
  out.types = list_of(types, i);
  out.asked = list_of(asked, i);
  out.pixels = list_of(pixels, i);
  out.image_tokens = i < image_tokens.size() ? image_tokens[i] : 0;
  return out;
}

void Examples::add(const InputView& input, std::span<const float> target) {
  const int64_t i = size();
  put(input.ids, i, ids);
  put(input.types, i, types);
  put(input.asked, i, asked);
  put(input.pixels, i, pixels);
  if (input.image_tokens > 0) {
    while (image_tokens.size() < i) image_tokens.add(0);
    image_tokens.add(input.image_tokens);
  }
  targets.add(target);
}

void Examples::add(const Sample& sample, const std::vector<Features>& windows) {
  const bool asks = !windows.empty() && !windows.front().places.empty();
  if (windows.empty()) ++left_out;
  for (const Features& window : windows) {
    truncated += window.truncated ? 1 : 0;
    add(window.input, window.target);
    if (!asks) continue;
    sample_of.add(passages.size());
    places.add(window.places);
  }
  if (asks) passages.add(sample.pair, sample.answers);
}

}  // namespace espalier
