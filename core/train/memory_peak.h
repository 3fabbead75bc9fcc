// Keeps the process's peak near to what a step needs.
//
// The largest batch makes the peak. Batches before it have left free pieces between the tensors
// that stay, too small for its own; they would stand beside them, a tenth of the whole. So before
// a micro-batch that is larger than every one so far, what is free goes back to the system. That
// happens less and less often, and costs the pages that are touched again.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/batch.h"

namespace espalier {

class MemoryPeak {
 public:
  // Before a step over these, when the last one's gradients are gone. True: memory was given back.
  bool before(const std::vector<Batch>& micro);

 private:
  int64_t most_tokens_ = 0;
};

}  // namespace espalier
