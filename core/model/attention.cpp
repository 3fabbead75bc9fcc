#include "core/model/attention.h"

#include <cmath>

#include "core/kernels/dropout.h"
#include "core/spec/relative_bucket.h"

namespace espalier {
namespace {

// [h, 2T-1] by distance -> [h, T, T] by query and key, for T = `longest`.
Tensor spread_bias(const Tensor& bias, int64_t longest) {
  Tensor at = at::arange(longest, bias.options().dtype(at::kLong).requires_grad(false));
  Tensor column = at.unsqueeze(0) - at.unsqueeze(1) + bias.size(1) / 2;
  return bias.index_select(1, column.flatten()).view({bias.size(0), longest, longest});
}

Tensor attend_grid(const Tensor& query_key_value, const TokenRows& rows, int64_t heads,
                   const Tensor& bias, double p, AttentionMaps* maps,
                   const MatmulPrecision& precision) {
  const int64_t width = query_key_value.size(1) / (3 * heads), count = rows.count();
  Tensor grid, padded = query_key_value, key_mask = rows.key_mask();
  if (key_mask.defined()) {
    grid = rows.grid();
    padded = at::zeros({count * rows.longest, query_key_value.size(1)}, query_key_value.options())
                 .index_copy(0, grid, query_key_value);
  }
  Tensor qkv = padded.view({count, rows.longest, 3, heads, width}).permute({2, 0, 3, 1, 4});
  auto multiply = [&](const Tensor& a, const Tensor& b) {
    return at::matmul(precision.operand(a), precision.operand(b)).to(qkv.scalar_type());
  };
  Tensor scores =
      multiply(qkv[0], qkv[1].transpose(-1, -2)) / std::sqrt(static_cast<double>(width));
  if (bias.defined()) scores = scores + spread_bias(bias, rows.longest);
  if (key_mask.defined()) scores = scores.masked_fill(key_mask.logical_not(), -1e30);
  Tensor probabilities = at::softmax(scores, -1);
  if (maps != nullptr) {
    maps->values = maps->kind == RecordAttention::kScores ? scores : probabilities;
    if (key_mask.defined()) {
      const Tensor real = key_mask.logical_and(key_mask.transpose(-1, -2));
      maps->values = maps->values.masked_fill(real.logical_not(), 0);
    }
  }
  Tensor context = multiply(dropout(probabilities, p), qkv[2]);  // [B,h,T,d]
  context = context.transpose(1, 2).reshape({count * rows.longest, heads * width});
  return key_mask.defined() ? context.index_select(0, grid) : context;
}

}  // namespace

Tensor attend_rows(const Tensor& query_key_value, const TokenRows& rows, int64_t heads,
                   const Tensor& bias, double p, AttentionMaps* maps,
                   const MatmulPrecision& precision, Queries queries) {
  const bool fits = query_key_value.is_cpu() && query_key_value.scalar_type() == at::kFloat;
  if (fits && maps == nullptr)
    return ragged_attention(query_key_value, rows.offsets, heads, bias, p, queries);
  // Where our kernel would fit, recording changes nothing but the order of its sums.
  const MatmulPrecision fp32;
  const Tensor context =
      attend_grid(query_key_value, rows, heads, bias, p, maps, fits ? fp32 : precision);
  return queries == Queries::kFirst ? context.index_select(0, rows.first) : context;
}

Tensor relative_bias(const Model& model, int64_t longest) {
  const ModelConfig& config = model.config;
  if (!model.attention_bias.defined()) return {};
  std::vector<int64_t> buckets;
  for (int64_t distance = 1 - longest; distance < longest; ++distance) {
    buckets.push_back(
        relative_bucket(distance, config.relative_buckets, config.relative_max_distance));
  }
  const Tensor rows = torch::tensor(buckets, torch::kInt64).to(model.attention_bias.device());
  return model.attention_bias.index_select(0, rows).t().contiguous();
}

Tensor kept_bias(const Model& model, int layer, const Tensor& bias) {
  const std::vector<int>& ids = model.config.layers[layer].kept_heads;
  if (!bias.defined() || static_cast<int64_t>(ids.size()) == bias.size(0)) return bias;
  Tensor heads = torch::tensor(std::vector<int64_t>(ids.begin(), ids.end()), torch::kInt64);
  return bias.index_select(0, heads.to(bias.device()));
}

}  // namespace espalier
