// AdamW's update (Loshchilov and Hutter, arXiv 1711.05101; LibTorch's form, which corrects the
// means' bias in the step) of a matrix of which few rows have a gradient, as a word embedding's
// after a batch. Every row that ever had one moves on, by its running mean; all others are decayed
// and nothing else, so that their means, which are 0, need not be read.
//
// No torch and no threads in here: a call is one thread's share, some rows.
#pragma once

#include <cstdint>

namespace espalier::kernels {

// b1 and b2 are the decay rates of the running mean and of the running size of the gradients; made
// in fp64, or 1 - b2 would be off by 5 in 100,000.
struct AdamStep {
  float keep;        // of the weights: 1 - rate x weight decay
  float mean_share;  // 1 - b1
  float size_keep;   // b2
  float size_share;  // 1 - b2
  float rate, root;  // rate / (1 - b1^t), sqrt(1 - b2^t)
  float eps;
  float divisor;  // of the gradients
};

// Whether this processor does a row faster than LibTorch's dense update does all: vectors with a
// square root of their own, which is AVX-512 here.
bool adam_rows_are_fast();

// One row: p, mean and size [width]; grad [width], or null for a row of zeros.
void adam_row(float* p, float* mean, float* size, const float* grad, int64_t width,
              const AdamStep& step);

// x [width] times `factor`.
void scale_row(float* x, int64_t width, float factor);

}  // namespace espalier::kernels
