// What this machine does at most, the yardsticks of a profile: measured, for clocks change with the
// instructions that run, and a guest shares its caches with strangers. No torch.
#pragma once

#include <cstdint>
#include <string>

namespace espalier::bench {

// Medians of some tries.
struct Peak {
  double together = 0;  // a second, of all threads at the same time
  double alone = 0;     // of one thread
  std::string how;      // the instructions
};

// Operations on numbers that never leave the registers, two a multiply-add: of floats, of bfloat16
// with sums in fp32, and of 8-bit integers with sums of 32 bits; as kernels/panel_linear.h,
// panel_linear16.h and panel_linear8.h multiply here.
Peak multiply_add_peak(int threads);
Peak multiply_add16_peak(int threads);
Peak multiply_add8_peak(int threads);

// Bytes that are read of an array of about `bytes`, each thread its own piece, over and over.
Peak read_peak(int threads, int64_t bytes);

// Far more than the third cache holds.
int64_t beyond_caches();

}  // namespace espalier::bench
