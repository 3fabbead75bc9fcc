// What one sub-layer's output loses with its units, those that matter least first, and the output
// matrix that makes the best of the others: optimal brain surgeon (obs.h) on `output` by heads, on
// `down` by neurons.
//
// ZipLM leaves the bias alone. Here it is free: inputs are taken about their mean, and the mean of
// what leaves goes into the bias. That is the least-squares solution with a constant input, costs
// nothing, and activations are seldom zero on the average.
#pragma once

#include <map>

#include "core/prune/input_moments.h"
#include "core/prune/obs.h"

namespace espalier {

struct OutputMatrix {
  Tensor weight, bias;  // [D, all inputs], closed ones 0; [D], undefined where there is none
};

class SublayerCurve {
 public:
  // `linear` is read here, and not kept. `open`: rising int64 numbers of the units that are left,
  // of `group` inputs each.
  SublayerCurve(const Linear& linear, const Moments& moments, Tensor open, int64_t group,
                double damp);

  int64_t units() const { return open_.size(0); }
  // |W' x - W x|^2 / |W x|^2 over the rows, with so many units left; 1 with none.
  double error(int64_t left) const;
  // Which they are, rising.
  Tensor kept(int64_t left) const;
  // With which weights. In float32, remembered: a search asks again and again.
  const OutputMatrix& matrix(int64_t left);

 private:
  Tensor columns(const Tensor& units) const;

  Tensor open_;
  int64_t group_;
  Tensor weight_, bias_;    // [D, open inputs], [D], float64
  Tensor products_, mean_;  // of the open inputs
  int64_t inputs_;          // open or not
  double scale_;            // |W x|^2
  Removal removal_;
  std::map<int64_t, OutputMatrix> matrices_;
};

}  // namespace espalier
