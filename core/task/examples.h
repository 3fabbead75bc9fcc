// Encoded samples of a data set, with what is needed to judge the answers. In columns, which may be
// larger than memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/large_array.h"
#include "core/spec/targets.h"
#include "core/spec/tasks.h"
#include "core/task/features.h"

namespace espalier {

// Texts that answers are a part of, and the right answers of each.
struct Passages {
  LargeLists<char> texts, answers;       // those of all texts, one after the other
  LargeArray<uint64_t> ends_of_answers;  // of each text, the end of its own among them

  int64_t size() const { return texts.size(); }
  // Answers are a range of strings or views.
  template <class Strings>
  void add(std::string_view text, const Strings& right) {
    for (const std::string_view answer : right) answers.add(answer);
    texts.add(text);
    ends_of_answers.add(static_cast<uint64_t>(answers.size()));
  }
  std::string_view text(int64_t i) const;
  std::vector<std::string> answers_of(int64_t i) const;
};

// Of one task. An input is what a model reads and is trained on; a sample of several windows has
// several, one after the other.
struct Examples {
  // Of every input, as Input has them. Each column ends behind the last input that has something
  // for it: those of images have no ids, most tasks ask for no words.
  LargeLists<int32_t> ids, types, asked;
  LargeLists<uint8_t> pixels;
  LargeArray<int32_t> image_tokens;
  Targets targets;  // Features::target of each input: as many as there are inputs
  Objective objective = Objective::kClass;
  int64_t truncated = 0;
  int64_t left_out = 0;  // samples of no window: nothing in them can be asked for
  // Of questions: the sample of each input, the places of its tokens, and each sample's passage.
  LargeArray<int64_t> sample_of;
  LargeLists<Span> places;
  Passages passages;

  int64_t size() const { return targets.size(); }
  // Valid until the next change.
  InputView input(int64_t i) const;
  int32_t tokens(int64_t i) const;  // of input(i)
  // Appends one input, without anything to judge its answers by but the target; empty: not known.
  void add(const InputView& input, std::span<const float> target);
  // Appends all windows of one sample; one without any is counted.
  void add(const Sample& sample, const std::vector<Features>& windows);
};

}  // namespace espalier
