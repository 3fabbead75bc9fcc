// Next-sentence prediction (Devlin et al. 2019): does the second text follow the first? Where a
// data set holds texts and what follows them, half of the rows get what follows another one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/spec/dataset_spec.h"
#include "core/spec/labels.h"

namespace espalier {

// What stands second in an example, and whether it follows: `row` is one of `among`.
struct SecondText {
  int64_t row = 0;
  NextSentence label = NextSentence::kNotKnown;
};

// Of the example `among[place]`, where Rows::pairs_follow. A function of the row, of `among` and of
// a seed that is the same in all jobs, so that all models are asked the same; and a second text is
// never one of a row outside `among`: a split sees nothing of another.
SecondText draw_second_text(const Rows& rows, std::span<const int64_t> among, size_t place);

}  // namespace espalier
