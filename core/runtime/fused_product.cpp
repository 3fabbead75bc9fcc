#include "core/runtime/fused_product.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/spec/int8_rows.h"

namespace espalier::runtime {
namespace {

using kernels::PanelLinear;
using kernels::PanelLinear8;
using kernels::Rows8;

// Numbers that are quantised by one thread before it is worth to ask a second one.
constexpr int64_t kQuantisedAtOnce = 1 << 15;

// One thread's share: outputs of panels [first, last), for all rows.
struct Share {
  int64_t first, last;
};

struct Product {
  ConstMatrix x;
  int64_t rows;
  Matrix y;
  const ProductSteps& steps;
};

void multiply_floats(const std::vector<PanelLinear>& blocks, const Product& of, Share share) {
  const auto one = static_cast<size_t>(std::max<int64_t>(of.steps.block, 0));
  const size_t end = of.steps.block < 0 ? blocks.size() : one + 1;
  const float* x = of.x.data;
  ConstMatrix add = of.steps.add;
  for (size_t i = one; i < end; ++i) {
    blocks[i].multiply(share.first, share.last, x, of.x.stride, of.rows, of.y.data, of.y.stride,
                       of.steps.after, add.data, add.stride);
    x += blocks[i].inputs();
    add = {of.y.data, of.y.stride};
  }
}

void multiply_integers(const PanelLinear8& panels, const Product& of, const Rows8& numbers,
                       Share share) {
  panels.multiply(share.first, share.last, numbers, 0, of.rows, of.y.data, of.y.stride,
                  of.steps.after, of.steps.add.data, of.steps.add.stride);
}

void quantise(ConstMatrix x, int64_t rows, int64_t width, Rows8& numbers) {
  numbers.reset(rows, width);
  at::parallel_for(
      0, rows, std::max<int64_t>(1, kQuantisedAtOnce / width),
      [&](int64_t first, int64_t last) { numbers.quantise(x.data, x.stride, first, last); });
}

}  // namespace

bool FusedProduct::fits(const Linear& linear, Precision products) {
  if (linear.factored() || !linear.weight.is_cpu() || linear.weight.scalar_type() != at::kFloat)
    return false;
  switch (products) {
    case Precision::kFp32:
      return true;
    case Precision::kInt8:
      return linear.inputs() <= PanelLinear8::kMostInputs &&
             PanelLinear8::best() != kernels::Multiplies8::kPlain;
    case Precision::kBf16:
      break;
  }
  return false;
}

FusedProduct::FusedProduct(const Linear& linear, Precision products, int64_t block)
    : inputs_(linear.inputs()), outputs_(linear.outputs()) {
  const Tensor w = linear.effective_weight().contiguous();
  const Tensor b = linear.bias.defined() ? linear.bias.contiguous() : Tensor();
  const float* bias = b.defined() ? b.const_data_ptr<float>() : nullptr;
  if (products == Precision::kInt8) {
    const Int8Rows rows = quantise_rows(w.const_data_ptr<float>(), outputs_, inputs_);
    panels_ = PanelLinear8(rows.numbers.data(), rows.scales.data(), bias, outputs_, inputs_);
    return;
  }
  std::vector<PanelLinear> blocks;
  int64_t begin = 0;
  do {
    const int64_t count = std::min(block, inputs_ - begin);
    const Tensor part = w.narrow(1, begin, count).contiguous();
    blocks.emplace_back(part.const_data_ptr<float>(), begin == 0 ? bias : nullptr, outputs_, count);
    begin += count;
  } while (begin < inputs_);
  panels_ = std::move(blocks);
}

int64_t FusedProduct::blocks() const {
  const auto* floats = std::get_if<std::vector<PanelLinear>>(&panels_);
  return floats == nullptr ? 1 : static_cast<int64_t>(floats->size());
}

void FusedProduct::multiply(ConstMatrix x, int64_t rows, Matrix y, Rows8& numbers,
                            const ProductSteps& steps) const {
  // The kernels count columns from output 0.
  y.data -= steps.first;
  ProductSteps from_zero = steps;
  if (from_zero.add.data != nullptr) from_zero.add.data -= steps.first;
  const Product product = {x, rows, y, from_zero};
  const auto* integers = std::get_if<PanelLinear8>(&panels_);
  if (integers != nullptr) quantise(x, rows, inputs_, numbers);

  constexpr int64_t kPanel = PanelLinear::kPanel;
  const int64_t end = steps.first + std::min(steps.count, outputs_ - steps.first);
  const int64_t first = steps.first / kPanel, last = (end + kPanel - 1) / kPanel;
  const int64_t threads = at::get_num_threads();
  at::parallel_for(
      first, last, (last - first + threads - 1) / threads, [&](int64_t from, int64_t to) {
        if (integers != nullptr)
          multiply_integers(*integers, product, numbers, {from, to});
        else
          multiply_floats(std::get<std::vector<PanelLinear>>(panels_), product, {from, to});
      });
}

}  // namespace espalier::runtime
