#include "core/model/batch.h"

#include <algorithm>
#include <numeric>

namespace espalier {

int64_t Batch::longest() const {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

int64_t Batch::tokens() const {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
}

std::vector<int64_t> Batch::offsets() const {
  std::vector<int64_t> out(lengths.size() + 1, 0);
  for (size_t i = 0; i < lengths.size(); ++i) out[i + 1] = out[i] + lengths[i];
  return out;
}

int64_t answer_lines(HeadKind head, const Input& input) {
  if (head == HeadKind::kSequence) return 1;
  if (head == HeadKind::kToken || input.asked.empty()) return input.tokens();
  return static_cast<int64_t>(input.asked.size());
}

Batch pack(std::span<const Input* const> inputs) {
  std::vector<int64_t> ids, types, asked;
  std::vector<Tensor> images;
  Batch out;
  for (const Input* input : inputs) {
    for (int32_t place : input->asked) asked.push_back(static_cast<int64_t>(ids.size()) + place);
    ids.insert(ids.end(), input->ids.begin(), input->ids.end());
    types.insert(types.end(), input->types.begin(), input->types.end());
    out.lengths.push_back(input->tokens());
    if (!input->pixels.empty())
      images.push_back(torch::tensor(at::ArrayRef<uint8_t>(input->pixels), torch::kUInt8));
  }
  if (!images.empty()) {
    out.pixels = at::stack(images);
    return out;
  }
  out.ids = torch::tensor(ids, torch::kInt64);
  out.types = torch::tensor(types, torch::kInt64);
  if (!asked.empty()) out.asked = torch::tensor(asked, torch::kInt64);
  return out;
}

}  // namespace espalier
