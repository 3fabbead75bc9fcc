#include "core/runtime/fused_layer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>

#include "core/kernels/attention_unit.h"
#include "core/runtime/packed_backend.h"

namespace espalier::runtime {
namespace {

using kernels::After;
using kernels::AlignedFloats;
using kernels::PanelLinear;

// A chunk's inner states should fit a core's own cache beside a panel of weights.
constexpr int64_t kChunkTokens = 256;
// With fewer tokens a thread, reading every weight in every thread costs more than waiting.
constexpr int64_t kStreamTokens = 64;

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

// Rows [first, last) of a batch.
struct Chunk {
  int64_t first, last;
};

// One stream's pieces of the batch, or none where its threads should work together.
std::vector<Chunk> chunks_of(const std::vector<int64_t>& offsets) {
  const int64_t threads = at::get_num_threads(), tokens = offsets.back();
  const int64_t share = (tokens + threads - 1) / threads;
  if (threads > 1 && share < kStreamTokens) return {};
  const int64_t most = std::min(kChunkTokens, share);
  std::vector<Chunk> out;
  const auto rows = static_cast<int64_t>(offsets.size()) - 1;
  for (int64_t first = 0; first < rows;) {
    int64_t last = first + 1;
    while (last < rows &&
           offsets[static_cast<size_t>(last) + 1] - offsets[static_cast<size_t>(first)] <= most)
      ++last;
    out.push_back({first, last});
    first = last;
  }
  if (static_cast<int64_t>(out.size()) < threads) out.clear();
  return out;
}

// work(chunk) for all of them, each by the next thread that is free.
template <class Work>
void for_each_chunk(const std::vector<Chunk>& chunks, Work&& work) {
  std::atomic<size_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    for (size_t i = next++; i < chunks.size(); i = next++) work(chunks[i]);
  });
}

// work(first, last) over 0..count, divided among the threads; returns when all are done.
template <class Work>
void divide(int64_t count, Work&& work) {
  const int64_t threads = at::get_num_threads();
  at::parallel_for(0, count, (count + threads - 1) / threads, work);
}

void multiply_together(const PanelLinear& linear, const float* x, int64_t x_stride, int64_t rows,
                       float* y, After after = After::kNothing, const float* add = nullptr) {
  divide(linear.panels(), [&](int64_t first, int64_t last) {
    linear.multiply(first, last, x, x_stride, rows, y, linear.outputs(), after, add,
                    linear.outputs());
  });
}

void multiply_alone(const PanelLinear& linear, const float* x, int64_t rows, float* y,
                    After after = After::kNothing, const float* add = nullptr) {
  linear.multiply(0, linear.panels(), x, linear.inputs(), rows, y, linear.outputs(), after, add,
                  linear.outputs());
}

int64_t longest_of(const std::vector<int64_t>& offsets, int64_t first, int64_t last) {
  int64_t out = 0;
  for (auto row = static_cast<size_t>(first); row < static_cast<size_t>(last); ++row)
    out = std::max(out, offsets[row + 1] - offsets[row]);
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

// Heads [head_first, head_last) of rows [first, last): qkv and context begin at row `first`.
void FusedLayer::attend_rows(const FusedRows& rows, int64_t first, int64_t last, int64_t head_first,
                             int64_t head_last, const Bias& bias, const float* qkv, float* context,
                             float* memory) const {
  const int64_t all = heads_ * head_dim_, begin = rows.offsets[static_cast<size_t>(first)];
  for (int64_t head = head_first; head < head_last; ++head) {
    for (auto row = static_cast<size_t>(first); row < static_cast<size_t>(last); ++row) {
      const int64_t token = rows.offsets[row] - begin;
      kernels::AttentionUnit unit{};
      unit.query = qkv + token * 3 * all + head * head_dim_;
      unit.key = unit.query + all;
      unit.value = unit.key + all;
      unit.bias = bias.of(head);
      unit.tokens = rows.offsets[row + 1] - rows.offsets[row];
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
  const auto count = static_cast<int64_t>(rows.offsets.size()) - 1;
  const std::vector<Chunk> chunks = chunks_of(rows.offsets);
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    const int64_t begin = rows.offsets[static_cast<size_t>(chunk.first)];
    const int64_t n = rows.offsets[static_cast<size_t>(chunk.last)] - begin;
    const int64_t longest = longest_of(rows.offsets, chunk.first, chunk.last);
    const int64_t qkv_size = kernels::whole_lanes(n * 3 * all);
    const int64_t context_size = kernels::whole_lanes(n * std::max(all, width_));
    float* qkv = scratch(qkv_size + context_size + kernels::forward_scratch(longest, head_dim_));
    float* context = qkv + qkv_size;
    const float* x = rows.x + begin * width_;
    float* y = rows.y + begin * width_;
    const float* in = x;
    if (norm_first_) {
      normalise(attention_norm_, x, n, context);
      in = context;
    }
    multiply_alone(query_key_value_, in, n, qkv);
    attend_rows(rows, chunk.first, chunk.last, 0, heads_, bias, qkv, context,
                context + context_size);
    multiply_alone(output_, context, n, y, After::kNothing, x);
    if (!norm_first_) normalise(attention_norm_, y, n, y);
  });
  if (!chunks.empty()) return;

  AlignedFloats memory(kernels::whole_lanes(tokens * 3 * all) + tokens * std::max(all, width_));
  float* qkv = memory.get();
  float* context = qkv + kernels::whole_lanes(tokens * 3 * all);
  const float* in = rows.x;
  if (norm_first_) {
    normalise(attention_norm_, rows.x, tokens, context);
    in = context;
  }
  multiply_together(query_key_value_, in, width_, tokens, qkv);
  const int64_t longest = longest_of(rows.offsets, 0, count);
  divide(heads_, [&](int64_t first, int64_t last) {
    attend_rows(rows, 0, count, first, last, bias, qkv, context,
                scratch(kernels::forward_scratch(longest, head_dim_)));
  });
  multiply_together(output_, context, all, tokens, rows.y, After::kNothing, rows.x);
  if (!norm_first_) normalise(attention_norm_, rows.y, tokens, rows.y);
}

void FusedLayer::feed(const FusedRows& rows) const {
  const int64_t tokens = rows.offsets.back(), neurons = up_.outputs();
  const std::vector<Chunk> chunks = chunks_of(rows.offsets);
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    const int64_t begin = rows.offsets[static_cast<size_t>(chunk.first)];
    const int64_t n = rows.offsets[static_cast<size_t>(chunk.last)] - begin;
    float* inner = scratch(kernels::whole_lanes(n * neurons) + n * width_);
    const float* x = rows.x + begin * width_;
    float* y = rows.y + begin * width_;
    const float* in = x;
    if (norm_first_) {
      float* normed = inner + kernels::whole_lanes(n * neurons);
      normalise(ffn_norm_, x, n, normed);
      in = normed;
    }
    multiply_alone(up_, in, n, inner, activation_);
    multiply_alone(down_, inner, n, y, After::kNothing, x);
    if (!norm_first_) normalise(ffn_norm_, y, n, y);
  });
  if (!chunks.empty()) return;

  AlignedFloats memory(kernels::whole_lanes(tokens * neurons) + tokens * width_);
  float* inner = memory.get();
  const float* in = rows.x;
  if (norm_first_) {
    float* normed = inner + kernels::whole_lanes(tokens * neurons);
    normalise(ffn_norm_, rows.x, tokens, normed);
    in = normed;
  }
  multiply_together(up_, in, width_, tokens, inner, activation_);
  multiply_together(down_, inner, neurons, tokens, rows.y, After::kNothing, rows.x);
  if (!norm_first_) normalise(ffn_norm_, rows.y, tokens, rows.y);
}

}  // namespace espalier::runtime
