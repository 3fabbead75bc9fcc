// A walk's logits, cut into those of each input.
#pragma once

#include <vector>

#include "core/model/batch.h"

namespace espalier {

// Copies to the host, in fp32.
class RowLogits {
 public:
  // `lines`: Trace::logits or what was made of them, answer_lines() for each input. `sentences`:
  // Trace::sentence_logits, which then stand behind the lines of their input; may be undefined.
  RowLogits(HeadKind head, const Tensor& lines, const Tensor& sentences = {});
  // Those of the next input, which must be asked for in the order of the walk.
  std::vector<float> next(const Input& input);

 private:
  HeadKind head_;
  Tensor lines_, sentences_;
  int64_t line_ = 0, row_ = 0;
};

}  // namespace espalier
