// A walk's logits, cut into those of each input.
#pragma once

#include <vector>

#include "core/model/batch.h"

namespace espalier {

// Copies to the host, in fp32.
class RowLogits {
 public:
  // `lines`: Trace::logits or what was made of them, answer_lines() for each input; or, as those of
  // a kSequence head, Trace::sentence_logits. Undefined: none.
  RowLogits(HeadKind head, const Tensor& lines);
  // Those of the next input, which must be asked for in the order of the walk.
  std::vector<float> next(const InputView& input);

 private:
  HeadKind head_;
  Tensor lines_;
  int64_t line_ = 0;
};

// What a task makes a prediction of: an input's lines and, behind them, its sentence logits.
std::vector<float> joined(std::vector<float> lines, const std::vector<float>& sentences);

}  // namespace espalier
