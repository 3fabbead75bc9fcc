// One linear layer of a served model in panels: of floats (kernels/panel_linear.h), of bfloat16
// (kernels/panel_linear16.h) or of 8-bit integers (kernels/panel_linear8.h).
//
// The first two may be in blocks of inputs, whose products are added up: who computes alone takes
// what one block reads while it still lies in the cache. Integers are in one block always, because
// a row has one scale.
#pragma once

#include <limits>
#include <variant>
#include <vector>

#include "core/kernels/panel_linear.h"
#include "core/kernels/panel_linear16.h"
#include "core/kernels/panel_linear8.h"
#include "core/model/linear.h"
#include "core/spec/precision.h"

namespace espalier::runtime {

struct Matrix {
  float* data;
  int64_t stride;  // between rows
};
struct ConstMatrix {
  const float* data;
  int64_t stride;
};

// Where a product's inputs become its numbers; each kind of product uses its own.
struct RoundedRows {
  kernels::Rows8 integers;
  kernels::Rows16 halves;
};

// What multiply() does beside the product.
struct ProductSteps {
  kernels::After after = kernels::After::kNothing;  // where there is one block
  ConstMatrix add = {nullptr, 0};                   // may be y
  // Outputs [first, first + count) alone, or to the end; a number of whole panels each. y and add
  // begin at output `first`.
  int64_t first = 0, count = std::numeric_limits<int64_t>::max();
  // This block of inputs alone, where x begins; -1: all, added up. The bias is the first block's.
  int64_t block = -1;
};

class FusedProduct {
 public:
  // Whether it can be in panels, on this processor: fp32 weights on the CPU, not factored. Products
  // of bfloat16 are left to oneDNN where there is AMX: its tiles multiply several times as fast as
  // the instruction that panels use.
  static bool fits(const Linear& linear, Precision products);

  FusedProduct() = default;
  // Weights that are not rounded yet are. block: inputs of a block; an even number.
  FusedProduct(const Linear& linear, Precision products,
               int64_t block = std::numeric_limits<int64_t>::max());

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }
  int64_t blocks() const;

  // y = f(x W^T + b) + add. The threads share the outputs; inside of a parallel region the calling
  // one alone computes. `rounded` is where x is rounded; what stood there is lost.
  void multiply(ConstMatrix x, int64_t rows, Matrix y, RoundedRows& rounded,
                const ProductSteps& steps = {}) const;

 private:
  int64_t inputs_ = 0, outputs_ = 0;
  std::variant<std::vector<kernels::PanelLinear>, std::vector<kernels::PanelLinear16>,
               kernels::PanelLinear8>
      panels_;
};

}  // namespace espalier::runtime
