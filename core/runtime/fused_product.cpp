#include "core/runtime/fused_product.h"

#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>

#include "core/model/matmul_precision.h"
#include "core/spec/int8_rows.h"

namespace espalier::runtime {
namespace {

using kernels::PanelLinear;
using kernels::PanelLinear16;
using kernels::PanelLinear8;

// Numbers that are rounded by one thread before it is worth to ask a second one, which takes about
// a microsecond where threads wait awake.
constexpr int64_t kRoundedAtOnce = 1 << 12;

// One thread's share: outputs of panels [first, last), for all rows.
struct Share {
  int64_t first, last;
};

struct Product {
  ConstMatrix x;
  int64_t rows, width;
  Matrix y;
  const ProductSteps& steps;
};

// run(block, its first input, what is added) for each block that is asked for.
template <class Block, class Run>
void by_blocks(const std::vector<Block>& blocks, const Product& of, Run&& run) {
  const auto one = static_cast<size_t>(std::max<int64_t>(of.steps.block, 0));
  const size_t end = of.steps.block < 0 ? blocks.size() : one + 1;
  int64_t input = 0;
  ConstMatrix add = of.steps.add;
  for (size_t i = one; i < end; ++i) {
    run(blocks[i], input, add);
    input += blocks[i].inputs();
    add = {of.y.data, of.y.stride};
  }
}

void multiply(const std::vector<PanelLinear>& blocks, const Product& of, const RoundedRows&,
              Share share) {
  by_blocks(blocks, of, [&](const PanelLinear& block, int64_t input, ConstMatrix add) {
    block.multiply(share.first, share.last, of.x.data + input, of.x.stride, of.rows, of.y.data,
                   of.y.stride, of.steps.after, add.data, add.stride);
  });
}

void multiply(const std::vector<PanelLinear16>& blocks, const Product& of, const RoundedRows& x,
              Share share) {
  by_blocks(blocks, of, [&](const PanelLinear16& block, int64_t input, ConstMatrix add) {
    block.multiply(share.first, share.last, x.halves.row(0) + input, x.halves.stride(), of.rows,
                   of.y.data, of.y.stride, of.steps.after, add.data, add.stride);
  });
}

void multiply(const PanelLinear8& panels, const Product& of, const RoundedRows& x, Share share) {
  panels.multiply(share.first, share.last, x.integers, 0, of.rows, of.y.data, of.y.stride,
                  of.steps.after, of.steps.add.data, of.steps.add.stride);
}

template <class Run>
void by_rows(const Product& of, Run&& run) {
  at::parallel_for(0, of.rows, std::max<int64_t>(1, kRoundedAtOnce / of.width), run);
}

void round(const std::vector<PanelLinear>&, const Product&, RoundedRows&) {}

void round(const std::vector<PanelLinear16>&, const Product& of, RoundedRows& to) {
  to.halves.reset(of.rows, of.width);
  by_rows(of, [&](int64_t first, int64_t last) {
    to.halves.round(of.x.data, of.x.stride, first, last);
  });
}

void round(const PanelLinear8&, const Product& of, RoundedRows& to) {
  to.integers.reset(of.rows, of.width);
  by_rows(of, [&](int64_t first, int64_t last) {
    to.integers.quantise(of.x.data, of.x.stride, first, last);
  });
}

bool has_tiles() {
  static const bool tiles = processor_has("amx_bf16") && at::cpu::init_amx();
  return tiles;
}

// The weight [outputs, inputs] in blocks of inputs; the bias is the first one's.
template <class Block>
std::vector<Block> blocks_of(const Tensor& weight, const float* bias, int64_t inputs) {
  std::vector<Block> out;
  int64_t begin = 0;
  do {
    const int64_t count = std::min(inputs, weight.size(1) - begin);
    const Tensor part = weight.narrow(1, begin, count).contiguous();
    out.emplace_back(part.const_data_ptr<float>(), begin == 0 ? bias : nullptr, weight.size(0),
                     count);
    begin += count;
  } while (begin < weight.size(1));
  return out;
}

template <class Block>
int64_t count_of(const std::vector<Block>& blocks) {
  return static_cast<int64_t>(blocks.size());
}
int64_t count_of(const PanelLinear8&) { return 1; }

template <class Block>
int64_t inputs_of(const std::vector<Block>& blocks, int64_t block) {
  return blocks[static_cast<size_t>(block)].inputs();
}
int64_t inputs_of(const PanelLinear8& panels, int64_t) { return panels.inputs(); }

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
      return PanelLinear16::is_fast() && !has_tiles();
  }
  return false;
}

FusedProduct::FusedProduct(const Linear& linear, Precision products, int64_t block)
    : inputs_(linear.inputs()), outputs_(linear.outputs()) {
  const Tensor w = linear.effective_weight().contiguous();
  const Tensor b = linear.bias.defined() ? linear.bias.contiguous() : Tensor();
  const float* bias = b.defined() ? b.const_data_ptr<float>() : nullptr;
  switch (products) {
    case Precision::kFp32:
      panels_ = blocks_of<PanelLinear>(w, bias, block);
      return;
    case Precision::kBf16:
      panels_ = blocks_of<PanelLinear16>(w, bias, block);
      return;
    case Precision::kInt8: {
      const Int8Rows rows = quantise_rows(w.const_data_ptr<float>(), outputs_, inputs_);
      panels_ = PanelLinear8(rows.numbers.data(), rows.scales.data(), bias, outputs_, inputs_);
      return;
    }
  }
}

int64_t FusedProduct::blocks() const {
  return std::visit([](const auto& panels) { return count_of(panels); }, panels_);
}

void FusedProduct::multiply(ConstMatrix x, int64_t rows, Matrix y, RoundedRows& rounded,
                            const ProductSteps& steps) const {
  // The kernels count columns from output 0.
  y.data -= steps.first;
  ProductSteps from_zero = steps;
  if (from_zero.add.data != nullptr) from_zero.add.data -= steps.first;

  constexpr int64_t kPanel = PanelLinear::kPanel;
  const int64_t end = steps.first + std::min(steps.count, outputs_ - steps.first);
  const int64_t first = steps.first / kPanel, last = (end + kPanel - 1) / kPanel;
  const int64_t threads = at::get_num_threads();
  std::visit(
      [&](const auto& panels) {
        const int64_t width = steps.block < 0 ? inputs_ : inputs_of(panels, steps.block);
        const Product product = {x, rows, width, y, from_zero};
        round(panels, product, rounded);
        at::parallel_for(first, last, (last - first + threads - 1) / threads,
                         [&](int64_t from, int64_t to) {
                           runtime::multiply(panels, product, rounded, {from, to});
                         });
      },
      panels_);
}

}  // namespace espalier::runtime
