// Memory that threads compute in. It grows to what the largest batch needed and stays, so that a
// batch asks the system for nothing: fresh pages cost more than what is written to them.
#pragma once

#include <span>

#include "core/runtime/fused_product.h"
#include "core/runtime/step_watch.h"

namespace espalier::runtime {

class ScratchBuffer {
 public:
  // At least `count` floats, not initialised; what stood there is lost.
  float* get(int64_t count) {
    if (count > size_) {
      memory_ = kernels::AlignedFloats(count);
      size_ = count;
    }
    return memory_.get();
  }

 private:
  kernels::AlignedFloats memory_;
  int64_t size_ = 0;
};

// What a sub-layer of some tokens keeps between its steps, and what one of its threads needs.
struct Scratch {
  ScratchBuffer normed, inner, context, firsts, attention;
  RoundedRows rounded;

  StepWatch* watch = nullptr;  // null: nobody asks
  void begin() const {
    if (watch != nullptr) watch->begin();
  }
  void done(Step step) const {
    if (watch != nullptr) watch->done(step);
  }
};

// Of those that compute together. The first one's memory holds what they share.
using Team = std::span<Scratch>;

}  // namespace espalier::runtime
