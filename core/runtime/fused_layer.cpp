#include "core/runtime/fused_layer.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <optional>
#include <span>

#include "core/kernels/attention_unit.h"
#include "core/runtime/packed_backend.h"

namespace espalier::runtime {
namespace {

using kernels::After;
using kernels::DistanceBias;
using kernels::PanelLinear;

std::optional<After> after_of(const std::string& activation) {
  if (activation == "gelu") return After::kGelu;
  if (activation == "gelu_new") return After::kGeluTanh;
  if (activation == "relu") return After::kRelu;
  if (activation == "tanh") return After::kTanh;
  return std::nullopt;
}

bool plain(const Linear& linear) {
  return !linear.factored() && linear.weight.is_cpu() && linear.weight.scalar_type() == at::kFloat;
}

PanelLinear panels_of(const Linear& linear) {
  const Tensor w = linear.effective_weight().contiguous();
  const Tensor b = linear.bias.defined() ? linear.bias.contiguous() : Tensor();
  return {w.const_data_ptr<float>(), b.defined() ? b.const_data_ptr<float>() : nullptr, w.size(0),
          w.size(1)};
}

// Between rows of `width` floats, so that neighbours begin in different sets of the first cache.
int64_t spaced(int64_t width) {
  const int64_t lines = kernels::whole_lanes(width) / kernels::kLanes;
  return (lines | 1) * kernels::kLanes;
}

struct Matrix {
  float* data;
  int64_t stride;
};
struct ConstMatrix {
  const float* data;
  int64_t stride;
};

// run(first, last) for panels [first, last), shared by the threads; inside of one thread's part it
// alone computes.
template <class Run>
void share_panels(int64_t first, int64_t last, Run&& run) {
  const int64_t threads = at::get_num_threads();
  at::parallel_for(first, last, (last - first + threads - 1) / threads, run);
}

// y = x W^T + b + add.
void multiply(const PanelLinear& linear, ConstMatrix x, int64_t rows, Matrix y,
              ConstMatrix add = {}) {
  share_panels(0, linear.panels(), [&](int64_t first, int64_t last) {
    linear.multiply(first, last, x.data, x.stride, rows, y.data, y.stride, After::kNothing,
                    add.data, add.stride);
  });
}

// Neurons that are computed and read again while they lie in the cache.
constexpr int64_t kBlock = 8 * PanelLinear::kPanel;

// W [outputs, inputs] in blocks of kBlock inputs, whose products are added up; the bias is the
// first one's.
std::vector<PanelLinear> blocks_of(const Linear& linear) {
  const Tensor w = linear.effective_weight();
  std::vector<PanelLinear> out;
  for (int64_t i = 0; i < w.size(1); i += kBlock) {
    Linear block;
    block.weight = w.narrow(1, i, std::min(kBlock, w.size(1) - i));
    if (i == 0) block.bias = linear.bias;
    out.push_back(panels_of(block));
  }
  return out;
}

// Tokens that a thread takes through a sub-layer at a time, and more where rows are longer.
// Measured between 48 and 192.
constexpr int64_t kPartTokens = 128;

// run(i, team) for all of `count` pieces, by the threads in turn: who is free takes
// the next.
template <class Run>
void by_turns(int64_t count, Team team, Run&& run) {
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    const auto thread = static_cast<size_t>(at::get_thread_num());
    for (int64_t i = next++; i < count; i = next++) run(i, team.subspan(thread, 1));
  });
}

// Whole rows, put together to parts of at least kPartTokens: the first row of each, and the end.
std::vector<size_t> parts_of(const std::vector<int64_t>& offsets) {
  std::vector<size_t> out = {0};
  for (size_t row = 1; row < offsets.size(); ++row) {
    if (offsets[row] - offsets[out.back()] >= kPartTokens || row + 1 == offsets.size())
      out.push_back(row);
  }
  return out;
}

// Whether there is enough to do for threads that do not help each other.
bool many(int64_t parts) { return parts >= 2 * at::get_num_threads(); }

}  // namespace

bool FusedLayer::fits(const Model& model, int layer) {
  const Layer& w = model.layers[static_cast<size_t>(layer)];
  if (w.has_attention() && !(plain(w.query) && plain(w.key) && plain(w.value) && plain(w.output)))
    return false;
  if (!w.has_ffn()) return true;
  return plain(w.up) && plain(w.down) && after_of(model.config.activation).has_value();
}

FusedLayer::FusedLayer(const Model& model, int layer)
    : width_(model.config.hidden),
      norm_first_(model.config.norm_first),
      eps_(model.config.norm_eps) {
  const Layer& w = model.layers[static_cast<size_t>(layer)];
  if (w.has_attention()) {
    heads_ = model.config.head_count(layer);
    query_key_value_ = panels_of(joined_query_key_value(w));
    output_ = panels_of(w.output);
    attention_norm_ = w.attention_norm;
  }
  if (w.has_ffn()) {
    activation_ = *after_of(model.config.activation);
    up_ = panels_of(w.up);
    down_ = blocks_of(w.down);
    ffn_norm_ = w.ffn_norm;
  }
}

void FusedLayer::normalise(const Norm& norm, const float* x, int64_t rows, float* y) const {
  kernels::layer_norm(x, rows, width_, norm.weight.const_data_ptr<float>(),
                      norm.bias.const_data_ptr<float>(), eps_, y);
}

void FusedLayer::attend_rows(const float* query_key_value, int64_t stride,
                             std::span<const int64_t> offsets, const DistanceBias& bias,
                             float* context, int64_t context_stride, Team team) const {
  const int64_t width = output_.inputs() / heads_;
  const auto rows = static_cast<int64_t>(offsets.size()) - 1;
  at::parallel_for(0, rows * heads_, 1, [&](int64_t first, int64_t last) {
    // A team of one is inside of a parallel region already: then this thread counts as the first.
    ScratchBuffer& memory = team[static_cast<size_t>(at::get_thread_num())].attention;
    for (int64_t i = first; i < last; ++i) {
      // Heads are the outer loop: the shares of two threads then hold the same rows.
      const int64_t head = i / rows, row = i % rows;
      const int64_t begin = offsets[static_cast<size_t>(row)] - offsets[0];
      const int64_t tokens = offsets[static_cast<size_t>(row) + 1] - offsets[0] - begin;
      const int64_t needed = kernels::forward_scratch(tokens, width);
      float* floats = memory.get(needed + tokens);
      const kernels::AttentionUnit unit = kernels::unit_of(
          {query_key_value + begin * stride, tokens, heads_, width, stride}, head, bias);
      kernels::attend_forward(unit, floats, context + begin * context_stride + head * width,
                              context_stride, floats + needed, 1);
    }
  });
}

void FusedLayer::attend_part(const Part& part, std::span<const int64_t> offsets,
                             const DistanceBias& bias, Team team) const {
  Scratch& scratch = team[0];
  const float* in = part.x;
  if (norm_first_) {
    float* normed = scratch.normed.get(part.tokens * width_);
    normalise(attention_norm_, part.x, part.tokens, normed);
    in = normed;
  }
  const int64_t stride = spaced(query_key_value_.outputs()), all = spaced(output_.inputs());
  float* qkv = scratch.inner.get(part.tokens * stride);
  float* context = scratch.context.get(part.tokens * all);
  multiply(query_key_value_, {in, width_}, part.tokens, {qkv, stride});
  attend_rows(qkv, stride, offsets, bias, context, all, team);
  multiply(output_, {context, all}, part.tokens, {part.y, width_}, {part.x, width_});
  if (!norm_first_) normalise(attention_norm_, part.y, part.tokens, part.y);
}

void FusedLayer::feed_part(const Part& part, Team team) const {
  Scratch& scratch = team[0];
  const float* in = part.x;
  if (norm_first_) {
    float* normed = scratch.normed.get(part.tokens * width_);
    normalise(ffn_norm_, part.x, part.tokens, normed);
    in = normed;
  }
  // A team shares the outputs of all blocks at once, so that it meets but twice; who is alone goes
  // block by block.
  const auto blocks = static_cast<int64_t>(down_.size());
  const int64_t step = team.size() > 1 ? blocks : 1;
  const int64_t stride = spaced(std::min(step * kBlock, up_.outputs()));
  float* inner = scratch.inner.get(part.tokens * stride);
  for (int64_t block = 0; block < blocks; block += step) {
    const int64_t first = block * kBlock / PanelLinear::kPanel;
    const int64_t last = std::min((block + step) * kBlock / PanelLinear::kPanel, up_.panels());
    share_panels(first, last, [&](int64_t begin, int64_t end) {
      up_.multiply(begin, end, in, width_, part.tokens, inner - block * kBlock, stride,
                   activation_);
    });
    share_panels(0, down_[0].panels(), [&](int64_t begin, int64_t end) {
      for (int64_t i = block; i < block + step; ++i) {
        const float* add = i == 0 ? part.x : part.y;
        down_[static_cast<size_t>(i)].multiply(begin, end, inner + (i - block) * kBlock, stride,
                                               part.tokens, part.y, width_, After::kNothing, add,
                                               width_);
      }
    });
  }
  if (!norm_first_) normalise(ffn_norm_, part.y, part.tokens, part.y);
}

void FusedLayer::attend(const FusedRows& rows, const Tensor& bias, Team team) const {
  Tensor padded;
  DistanceBias biases;
  if (bias.defined()) {
    padded = at::constant_pad_nd(bias, {0, kernels::kLanes}).contiguous();
    biases = {padded.const_data_ptr<float>(), padded.size(1), bias.size(1) / 2};
  }
  const std::vector<size_t> parts = parts_of(rows.offsets);
  const auto count = static_cast<int64_t>(parts.size()) - 1;
  if (!many(count)) {
    return attend_part({rows.x, rows.y, rows.offsets.back()}, rows.offsets, biases, team);
  }
  by_turns(count, team, [&](int64_t i, Team mine) {
    const size_t first = parts[static_cast<size_t>(i)], last = parts[static_cast<size_t>(i) + 1];
    const int64_t begin = rows.offsets[first];
    attend_part({rows.x + begin * width_, rows.y + begin * width_, rows.offsets[last] - begin},
                std::span(rows.offsets).subspan(first, last - first + 1), biases, mine);
  });
}

void FusedLayer::feed(const FusedRows& rows, Team team) const {
  const int64_t tokens = rows.offsets.back(), count = (tokens + kPartTokens - 1) / kPartTokens;
  if (!many(count)) return feed_part({rows.x, rows.y, tokens}, team);
  by_turns(count, team, [&](int64_t i, Team mine) {
    const int64_t begin = tokens * i / count, end = tokens * (i + 1) / count;
    feed_part({rows.x + begin * width_, rows.y + begin * width_, end - begin}, mine);
  });
}

}  // namespace espalier::runtime
