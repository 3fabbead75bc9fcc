#include "core/model/row_logits.h"

namespace espalier {

RowLogits::RowLogits(HeadKind head, const Tensor& lines)
    : head_(head),
      lines_(lines.defined() ? lines.to(at::kCPU, at::kFloat).contiguous() : Tensor()) {}

std::vector<float> RowLogits::next(const InputView& input) {
  if (!lines_.defined()) return {};
  const int64_t count = answer_lines(head_, input), width = lines_.size(1);
  const float* first = lines_.data_ptr<float>() + line_ * width;
  line_ += count;
  return {first, first + count * width};
}

std::vector<float> joined(std::vector<float> lines, const std::vector<float>& sentences) {
  lines.insert(lines.end(), sentences.begin(), sentences.end());
  return lines;
}

}  // namespace espalier
