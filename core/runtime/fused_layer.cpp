#include "core/runtime/fused_layer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/kernels/attention_unit.h"
#include "core/runtime/packed_backend.h"

namespace espalier::runtime {
namespace {

using kernels::After;
using kernels::AlignedFloats;
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

// A thread's scratch memory, which stays for its next use.
float* scratch(int64_t floats) {
  thread_local AlignedFloats memory;
  thread_local int64_t size = 0;
  if (size < floats) {
    memory = AlignedFloats(floats);
    size = floats;
  }
  return memory.get();
}

// work(first, last) over 0..count, divided among the threads; returns when all are done.
template <class Work>
void divide(int64_t count, Work&& work) {
  const int64_t threads = at::get_num_threads();
  at::parallel_for(0, count, (count + threads - 1) / threads, work);
}

void multiply(const PanelLinear& linear, const float* x, int64_t x_stride, int64_t rows, float* y,
              After after = After::kNothing, const float* add = nullptr) {
  divide(linear.panels(), [&](int64_t first, int64_t last) {
    linear.multiply(first, last, x, x_stride, rows, y, linear.outputs(), after, add,
                    linear.outputs());
  });
}

int64_t longest_of(const std::vector<int64_t>& offsets) {
  int64_t out = 0;
  for (size_t row = 1; row < offsets.size(); ++row)
    out = std::max(out, offsets[row] - offsets[row - 1]);
  return out;
}

}  // namespace

// By head and distance, readable beyond the last one.
class FusedLayer::Bias {
 public:
  explicit Bias(const Tensor& bias) {
    if (!bias.defined()) return;
    padded_ = at::constant_pad_nd(bias, {0, kernels::kLanes}).contiguous();
    middle_ = bias.size(1) / 2;
  }
  // At distance 0; null: there is none.
  const float* of(int64_t head) const {
    if (!padded_.defined()) return nullptr;
    return padded_.const_data_ptr<float>() + head * padded_.size(1) + middle_;
  }

 private:
  Tensor padded_;
  int64_t middle_ = 0;
};

FusedLayer::NormWeights FusedLayer::norm_weights(const Norm& norm) {
  if (!norm.defined()) return {};
  const Tensor w = norm.weight.contiguous(), b = norm.bias.contiguous();
  const auto* weight = w.const_data_ptr<float>();
  const auto* bias = b.const_data_ptr<float>();
  return {{weight, weight + w.numel()}, {bias, bias + b.numel()}};
}

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
    head_dim_ = w.query.outputs() / heads_;
    query_key_value_ = panels_of(joined_query_key_value(w));
    output_ = panels_of(w.output);
    attention_norm_ = norm_weights(w.attention_norm);
  }
  if (w.has_ffn()) {
    activation_ = *after_of(model.config.activation);
    up_ = panels_of(w.up);
    down_ = panels_of(w.down);
    ffn_norm_ = norm_weights(w.ffn_norm);
  }
}

void FusedLayer::normalise(const NormWeights& norm, const float* x, int64_t rows, float* y) const {
  kernels::layer_norm(x, rows, width_, norm.weight.data(), norm.bias.data(), eps_, y);
}

void FusedLayer::attend_heads(const FusedRows& rows, int64_t first, int64_t last, const Bias& bias,
                              const float* qkv, float* context) const {
  const int64_t all = heads_ * head_dim_;
  float* memory = scratch(kernels::forward_scratch(longest_of(rows.offsets), head_dim_));
  for (int64_t head = first; head < last; ++head) {
    for (size_t row = 0; row + 1 < rows.offsets.size(); ++row) {
      const int64_t token = rows.offsets[row];
      kernels::AttentionUnit unit{};
      unit.query = qkv + token * 3 * all + head * head_dim_;
      unit.key = unit.query + all;
      unit.value = unit.key + all;
      unit.bias = bias.of(head);
      unit.tokens = rows.offsets[row + 1] - token;
      unit.width = head_dim_;
      unit.stride = 3 * all;
      unit.scale = 1 / std::sqrt(static_cast<float>(head_dim_));
      kernels::attend_forward(unit, memory, context + token * all + head * head_dim_, all);
    }
  }
}

void FusedLayer::attend(const FusedRows& rows, const Tensor& distance_bias) const {
  const Bias bias(distance_bias);
  const int64_t all = heads_ * head_dim_, tokens = rows.offsets.back();
  AlignedFloats memory(kernels::whole_lanes(tokens * 3 * all) + tokens * std::max(all, width_));
  float* qkv = memory.get();
  float* context = qkv + kernels::whole_lanes(tokens * 3 * all);
  const float* in = rows.x;
  if (norm_first_) {
    normalise(attention_norm_, rows.x, tokens, context);
    in = context;
  }
  multiply(query_key_value_, in, width_, tokens, qkv);
  divide(heads_,
         [&](int64_t first, int64_t last) { attend_heads(rows, first, last, bias, qkv, context); });
  multiply(output_, context, all, tokens, rows.y, After::kNothing, rows.x);
  if (!norm_first_) normalise(attention_norm_, rows.y, tokens, rows.y);
}

void FusedLayer::feed(const FusedRows& rows) const {
  const int64_t tokens = rows.offsets.back(), neurons = up_.outputs();
  AlignedFloats memory(kernels::whole_lanes(tokens * neurons) + tokens * width_);
  float* inner = memory.get();
  const float* in = rows.x;
  if (norm_first_) {
    float* normed = inner + kernels::whole_lanes(tokens * neurons);
    normalise(ffn_norm_, rows.x, tokens, normed);
    in = normed;
  }
  multiply(up_, in, width_, tokens, inner, activation_);
  multiply(down_, inner, neurons, tokens, rows.y, After::kNothing, rows.x);
  if (!norm_first_) normalise(ffn_norm_, rows.y, tokens, rows.y);
}

}  // namespace espalier::runtime
