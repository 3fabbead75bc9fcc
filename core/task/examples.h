// Encoded samples of a data set, with what is needed to judge the answers.
#pragma once

#include <string>
#include <vector>

#include "core/spec/targets.h"
#include "core/spec/tasks.h"
#include "core/task/features.h"

namespace espalier {

// The text that an answer is a part of, and the right ones.
struct Passage {
  std::string text;
  std::vector<std::string> answers;
};

// Of one task. An input is what a model reads and is trained on; a sample of several windows has
// several, one after the other.
struct Examples {
  std::vector<Input> inputs;
  Targets targets;  // Features::target of each input
  Objective objective = Objective::kClass;
  int64_t truncated = 0;
  int64_t left_out = 0;  // samples of no window: nothing in them can be asked for
  // Of questions: the sample of each input, the places of its tokens, and each sample's passage.
  std::vector<int64_t> sample_of;
  std::vector<std::vector<Span>> places;
  std::vector<Passage> passages;

  int64_t size() const { return static_cast<int64_t>(inputs.size()); }
  // Appends all windows of one sample; one without any is counted.
  void add(const Sample& sample, std::vector<Features> windows);
};

}  // namespace espalier
