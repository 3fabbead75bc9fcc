#include "core/runtime/fused_layer.h"

#include <ATen/Parallel.h>

#include <algorithm>
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

// Between rows of `width` floats, so that neighbours begin in different sets of the first cache.
int64_t spaced(int64_t width) {
  const int64_t lines = kernels::whole_lanes(width) / kernels::kLanes;
  return (lines | 1) * kernels::kLanes;
}

// Neurons that are computed and read again while they lie in the cache; whole panels.
constexpr int64_t kBlockNeurons = 8 * PanelLinear::kPanel;

// Tokens that a thread takes through a sub-layer at a time, about. Measured between 48 and 192.
constexpr int64_t kPartTokens = 128;

// In how many parts the threads take so many tokens, each part by one thread: as many parts for
// each thread. 0: too few for threads that do not help each other.
int64_t parts_for(int64_t tokens) {
  const int64_t threads = at::get_num_threads(), round = threads * kPartTokens;
  return threads * ((tokens + round / 2) / round);
}

// run(i, team) for all of `count` pieces, by the threads in turn: who is free takes the next.
template <class Run>
void by_turns(int64_t count, Team team, Run&& run) {
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    const auto thread = static_cast<size_t>(at::get_thread_num());
    for (int64_t i = next++; i < count; i = next++) run(i, team.subspan(thread, 1));
  });
}

// Whole rows in at most `count` parts of about equal numbers of tokens: the first row of each, and
// the end.
std::vector<size_t> parts_of(const std::vector<int64_t>& offsets, int64_t count) {
  std::vector<size_t> out = {0};
  for (int64_t i = 1; i <= count; ++i) {
    const int64_t end = offsets.back() * i / count;
    auto row = std::lower_bound(offsets.begin(), offsets.end(), end);
    if (row != offsets.begin() && end - row[-1] < *row - end) --row;
    const auto index = static_cast<size_t>(row - offsets.begin());
    if (index != out.back()) out.push_back(index);  // a long row may be nearest for several parts
  }
  return out;
}

// Whether threads that take these parts in turn are done at about the same time.
bool is_even(const std::vector<size_t>& parts, const std::vector<int64_t>& offsets) {
  std::vector<int64_t> taken(static_cast<size_t>(at::get_num_threads()), 0);
  for (size_t i = 0; i + 1 < parts.size(); ++i)
    *std::min_element(taken.begin(), taken.end()) += offsets[parts[i + 1]] - offsets[parts[i]];
  const int64_t most = *std::max_element(taken.begin(), taken.end());
  return most * static_cast<int64_t>(taken.size()) * 5 <= offsets.back() * 6;
}

}  // namespace

bool FusedLayer::fits(const Model& model, int layer, Precision products) {
  const Layer& w = model.layers[static_cast<size_t>(layer)];
  const auto good = [&](const Linear& linear) { return FusedProduct::fits(linear, products); };
  if (w.has_attention() && !(good(w.query) && good(w.key) && good(w.value) && good(w.output)))
    return false;
  if (!w.has_ffn()) return true;
  return good(w.up) && good(w.down) && after_of(model.config.activation).has_value();
}

FusedLayer::FusedLayer(const Model& model, int layer, Precision products)
    : width_(model.config.hidden),
      norm_first_(model.config.norm_first),
      eps_(model.config.norm_eps) {
  const Layer& w = model.layers[static_cast<size_t>(layer)];
  if (w.has_attention()) {
    heads_ = model.config.head_count(layer);
    query_key_value_ = {joined_query_key_value(w), products};
    output_ = {w.output, products};
    attention_norm_ = w.attention_norm;
  }
  if (w.has_ffn()) {
    activation_ = *after_of(model.config.activation);
    up_ = {w.up, products};
    down_ = {w.down, products, kBlockNeurons};
    ffn_norm_ = w.ffn_norm;
  }
}

void FusedLayer::normalise(const Norm& norm, const float* x, int64_t rows, float* y) const {
  kernels::layer_norm(x, rows, width_, norm.weight.const_data_ptr<float>(),
                      norm.bias.const_data_ptr<float>(), eps_, y);
}

void FusedLayer::attend_heads(const Heads& heads, std::span<const int64_t> offsets,
                              const DistanceBias& bias, Team team) const {
  const int64_t width = output_.inputs() / heads_;
  const auto rows = static_cast<int64_t>(offsets.size()) - 1;
  const ConstMatrix& all = heads.query_key_value;
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
      kernels::AttentionUnit unit = kernels::unit_of(
          {all.data + begin * all.stride, tokens, heads_, width, all.stride}, head, bias);
      int64_t to = begin;
      if (heads.first_queries.data != nullptr) {
        unit.query = heads.first_queries.data + row * heads.first_queries.stride + head * width;
        unit.queries = 1;
        to = row;
      }
      kernels::attend_forward(unit, floats,
                              heads.context.data + to * heads.context.stride + head * width,
                              heads.context.stride, floats + needed, 1);
    }
  });
}

const float* FusedLayer::attention_input(const Part& part, Scratch& scratch) const {
  if (!norm_first_) return part.x;
  float* normed = scratch.normed.get(part.tokens * width_);
  normalise(attention_norm_, part.x, part.tokens, normed);
  scratch.done(kAttentionNorm);
  return normed;
}

void FusedLayer::attend_part(const Part& part, std::span<const int64_t> offsets,
                             const DistanceBias& bias, Team team) const {
  Scratch& scratch = team[0];
  scratch.begin();
  const float* in = attention_input(part, scratch);
  const int64_t stride = spaced(query_key_value_.outputs()), all = spaced(output_.inputs());
  float* qkv = scratch.inner.get(part.tokens * stride);
  float* context = scratch.context.get(part.tokens * all);
  query_key_value_.multiply({in, width_}, part.tokens, {qkv, stride}, scratch.rounded);
  scratch.done(kQueryKeyValue);
  attend_heads({{qkv, stride}, {nullptr, 0}, {context, all}}, offsets, bias, team);
  scratch.done(kHeads);
  output_.multiply({context, all}, part.tokens, {part.y, width_}, scratch.rounded,
                   {.add = {part.x, width_}});
  scratch.done(kOutput);
  if (norm_first_) return;
  normalise(attention_norm_, part.y, part.tokens, part.y);
  scratch.done(kAttentionNorm);
}

void FusedLayer::attend_firsts_part(const Part& part, std::span<const int64_t> offsets,
                                    const DistanceBias& bias, Team team) const {
  Scratch& scratch = team[0];
  scratch.begin();
  const float* in = attention_input(part, scratch);
  const auto rows = static_cast<int64_t>(offsets.size()) - 1;
  const int64_t queries = output_.inputs(), stride = spaced(query_key_value_.outputs()),
                all = spaced(queries);
  float* qkv = scratch.inner.get(part.tokens * stride);
  // [rows, all] each: of the first tokens, what goes into products, their queries, contexts.
  float* firsts = scratch.firsts.get(rows * (width_ + 2 * all));
  float *asking = firsts + rows * width_, *context = asking + rows * all;
  const auto gather = [&](const float* from) {
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t token = offsets[static_cast<size_t>(row)] - offsets[0];
      std::copy_n(from + token * width_, width_, firsts + row * width_);
    }
  };
  // Products can leave out whole panels alone.
  const int64_t keys = queries % PanelLinear::kPanel == 0 ? queries : 0;
  query_key_value_.multiply({in, width_}, part.tokens, {qkv + keys, stride}, scratch.rounded,
                            {.first = keys});
  gather(in);
  if (keys > 0) {
    query_key_value_.multiply({firsts, width_}, rows, {asking, all}, scratch.rounded,
                              {.count = queries});
  } else {
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t token = offsets[static_cast<size_t>(row)] - offsets[0];
      std::copy_n(qkv + token * stride, queries, asking + row * all);
    }
  }
  scratch.done(kQueryKeyValue);
  attend_heads({{qkv, stride}, {asking, all}, {context, all}}, offsets, bias, team);
  scratch.done(kHeads);
  if (norm_first_) gather(part.x);
  output_.multiply({context, all}, rows, {part.y, width_}, scratch.rounded,
                   {.add = {firsts, width_}});
  scratch.done(kOutput);
  if (norm_first_) return;
  normalise(attention_norm_, part.y, rows, part.y);
  scratch.done(kAttentionNorm);
}

void FusedLayer::feed_part(const Part& part, Team team) const {
  Scratch& scratch = team[0];
  scratch.begin();
  const float* in = part.x;
  if (norm_first_) {
    float* normed = scratch.normed.get(part.tokens * width_);
    normalise(ffn_norm_, part.x, part.tokens, normed);
    scratch.done(kFeedNorm);
    in = normed;
  }
  const int64_t neurons = up_.outputs(), blocks = down_.blocks();
  const bool alone = team.size() == 1 && blocks > 1;
  const int64_t step = alone ? kBlockNeurons : neurons, stride = spaced(std::min(step, neurons));
  float* inner = scratch.inner.get(part.tokens * stride);
  // A team, which meets after each product, takes all neurons at once.
  for (int64_t block = 0; block < (alone ? blocks : 1); ++block) {
    up_.multiply({in, width_}, part.tokens, {inner, stride}, scratch.rounded,
                 {.after = activation_, .first = block * step, .count = step});
    scratch.done(kUp);
    down_.multiply({inner, stride}, part.tokens, {part.y, width_}, scratch.rounded,
                   {.add = {block == 0 ? part.x : part.y, width_}, .block = alone ? block : -1});
    scratch.done(kDown);
  }
  if (norm_first_) return;
  normalise(ffn_norm_, part.y, part.tokens, part.y);
  scratch.done(kFeedNorm);
}

template <class Attend>
void FusedLayer::attend_parts(const FusedRows& rows, const Tensor& bias, Team team,
                              Attend&& attend_one) const {
  Tensor padded;
  DistanceBias biases;
  if (bias.defined()) {
    padded = at::constant_pad_nd(bias, {0, kernels::kLanes}).contiguous();
    biases = {padded.const_data_ptr<float>(), padded.size(1), bias.size(1) / 2};
  }
  const std::vector<size_t> parts = parts_of(rows.offsets, parts_for(rows.offsets.back()));
  const auto count = static_cast<int64_t>(parts.size()) - 1;
  if (count == 0 || !is_even(parts, rows.offsets))
    return attend_one(rows.x, std::span(rows.offsets), size_t{0}, biases, team);
  by_turns(count, team, [&](int64_t i, Team mine) {
    const size_t first = parts[static_cast<size_t>(i)], last = parts[static_cast<size_t>(i) + 1];
    attend_one(rows.x + rows.offsets[first] * width_,
               std::span(rows.offsets).subspan(first, last - first + 1), first, biases, mine);
  });
}

void FusedLayer::attend(const FusedRows& rows, const Tensor& bias, Team team) const {
  attend_parts(rows, bias, team,
               [&](const float* x, std::span<const int64_t> offsets, size_t,
                   const DistanceBias& biases, Team mine) {
                 float* y = rows.y + offsets.front() * width_;
                 attend_part({x, y, offsets.back() - offsets.front()}, offsets, biases, mine);
               });
}

void FusedLayer::attend_firsts(const FusedRows& rows, const Tensor& bias, Team team) const {
  attend_parts(
      rows, bias, team,
      [&](const float* x, std::span<const int64_t> offsets, size_t first,
          const DistanceBias& biases, Team mine) {
        float* y = rows.y + static_cast<int64_t>(first) * width_;
        attend_firsts_part({x, y, offsets.back() - offsets.front()}, offsets, biases, mine);
      });
}

void FusedLayer::feed(const FusedRows& rows, Team team) const {
  const int64_t tokens = rows.offsets.back(), count = parts_for(tokens);
  if (count == 0) return feed_part({rows.x, rows.y, tokens}, team);
  by_turns(count, team, [&](int64_t i, Team mine) {
    const int64_t begin = tokens * i / count, end = tokens * (i + 1) / count;
    feed_part({rows.x + begin * width_, rows.y + begin * width_, end - begin}, mine);
  });
}

}  // namespace espalier::runtime
