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

void Batch::pin() {
  for (Tensor* tensor :
       {&ids, &types, &pixels, &asked, &labels, &labelled, &sentences, &class_weights})
    if (tensor->defined()) *tensor = tensor->pin_memory();
}

int64_t answer_lines(HeadKind head, const InputView& input) {
  if (head == HeadKind::kSequence) return 1;
  if (head == HeadKind::kToken || input.asked.empty()) return input.tokens();
  return static_cast<int64_t>(input.asked.size());
}

void weigh_sentences(std::span<Batch> micro) {
  int64_t words = 0, sentences = 0;
  for (const Batch& batch : micro) {
    if (!batch.sentences.defined()) continue;
    words += batch.units();
    sentences += batch.sentences.ne(kUncounted).sum().item<int64_t>();
  }
  const double share =
      sentences == 0 ? 0 : static_cast<double>(words) / static_cast<double>(sentences);
  for (Batch& batch : micro) batch.words_per_sentence = share;
}

namespace {

Tensor pack_pixels(std::span<const InputView> inputs) {
  const size_t size = inputs.front().pixels.size();
  Tensor out =
      at::empty({static_cast<int64_t>(inputs.size()), static_cast<int64_t>(size)}, at::kByte);
  uint8_t* to = out.data_ptr<uint8_t>();
  for (const InputView& input : inputs) {
    TORCH_CHECK(input.pixels.size() == size, "an image of ", input.pixels.size(),
                " bytes in a batch of images of ", size);
    to = std::copy(input.pixels.begin(), input.pixels.end(), to);
  }
  return out;
}

}  // namespace

Batch pack(std::span<const InputView> inputs) {
  std::vector<int64_t> ids, types, asked;
  Batch out;
  for (const InputView& input : inputs) {
    for (int32_t place : input.asked) asked.push_back(static_cast<int64_t>(ids.size()) + place);
    ids.insert(ids.end(), input.ids.begin(), input.ids.end());
    types.insert(types.end(), input.types.begin(), input.types.end());
    out.lengths.push_back(input.tokens());
  }
  if (!inputs.empty() && !inputs.front().pixels.empty()) {
    out.pixels = pack_pixels(inputs);
    return out;
  }
  out.ids = torch::tensor(ids, torch::kInt64);
  out.types = torch::tensor(types, torch::kInt64);
  if (!asked.empty()) out.asked = torch::tensor(asked, torch::kInt64);
  return out;
}

}  // namespace espalier
