#include "core/runtime/fused_layer.h"

#include <ATen/Parallel.h>

#include <optional>

#include "core/kernels/ragged_attention.h"
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

// y = f(x W^T + b) + add, all of them dense; the threads share the outputs.
void multiply(const PanelLinear& linear, const float* x, int64_t rows, float* y,
              After after = After::kNothing, const float* add = nullptr) {
  const int64_t threads = at::get_num_threads(), panels = linear.panels();
  at::parallel_for(0, panels, (panels + threads - 1) / threads, [&](int64_t first, int64_t last) {
    linear.multiply(first, last, x, linear.inputs(), rows, y, linear.outputs(), after, add,
                    linear.outputs());
  });
}

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
    down_ = panels_of(w.down);
    ffn_norm_ = w.ffn_norm;
  }
}

void FusedLayer::normalise(const Norm& norm, const float* x, int64_t rows, float* y) const {
  kernels::layer_norm(x, rows, width_, norm.weight.const_data_ptr<float>(),
                      norm.bias.const_data_ptr<float>(), eps_, y);
}

void FusedLayer::attend(const FusedRows& rows, const Tensor& bias) const {
  const int64_t tokens = rows.offsets.back();
  AlignedFloats normed;
  const float* in = rows.x;
  if (norm_first_) {
    normed = AlignedFloats(tokens * width_);
    normalise(attention_norm_, rows.x, tokens, normed.get());
    in = normed.get();
  }
  Tensor qkv = at::empty({tokens, query_key_value_.outputs()}, at::kFloat);
  multiply(query_key_value_, in, tokens, qkv.mutable_data_ptr<float>());
  const Tensor context = ragged_attention(qkv, rows.offsets, heads_, bias);
  multiply(output_, context.const_data_ptr<float>(), tokens, rows.y, After::kNothing, rows.x);
  if (!norm_first_) normalise(attention_norm_, rows.y, tokens, rows.y);
}

void FusedLayer::feed(const FusedRows& rows) const {
  const int64_t tokens = rows.offsets.back();
  AlignedFloats normed, inner(tokens * up_.outputs());
  const float* in = rows.x;
  if (norm_first_) {
    normed = AlignedFloats(tokens * width_);
    normalise(ffn_norm_, rows.x, tokens, normed.get());
    in = normed.get();
  }
  multiply(up_, in, tokens, inner.get(), activation_);
  multiply(down_, inner.get(), tokens, rows.y, After::kNothing, rows.x);
  if (!norm_first_) normalise(ffn_norm_, rows.y, tokens, rows.y);
}

}  // namespace espalier::runtime
