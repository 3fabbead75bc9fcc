#include "core/train/memory_peak.h"

#include <malloc.h>

#include <algorithm>

namespace espalier {

bool MemoryPeak::before(const std::vector<Batch>& micro) {
  int64_t most = 0;
  for (const Batch& batch : micro) most = std::max(most, batch.tokens());
  if (most <= most_tokens_) return false;
  most_tokens_ = most;
  malloc_trim(0);
  return true;
}

}  // namespace espalier
