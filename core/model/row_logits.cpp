#include "core/model/row_logits.h"

namespace espalier {
namespace {

Tensor on_host(const Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kCPU, at::kFloat).contiguous() : Tensor();
}

// Appends `count` rows of the matrix from row `begin` on.
void append_rows(const Tensor& matrix, int64_t begin, int64_t count, std::vector<float>& out) {
  const int64_t width = matrix.size(1);
  const float* first = matrix.data_ptr<float>() + begin * width;
  out.insert(out.end(), first, first + count * width);
}

}  // namespace

RowLogits::RowLogits(HeadKind head, const Tensor& lines, const Tensor& sentences)
    : head_(head), lines_(on_host(lines)), sentences_(on_host(sentences)) {}

std::vector<float> RowLogits::next(const Input& input) {
  std::vector<float> out;
  const int64_t count = answer_lines(head_, input);
  append_rows(lines_, line_, count, out);
  line_ += count;
  if (sentences_.defined()) append_rows(sentences_, row_++, 1, out);
  return out;
}

}  // namespace espalier
