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

}  // namespace espalier
