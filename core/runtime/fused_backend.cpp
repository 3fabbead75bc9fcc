#include "core/runtime/fused_backend.h"

#include <ATen/Parallel.h>

#include "core/model/attention.h"

namespace espalier::runtime {
namespace {

// Rows that are embedded by one thread before it is worth to ask a second one.
constexpr int64_t kRowsAtOnce = 8;

void check_rows(const Tensor& table, const Tensor& rows, const char* what) {
  const auto* row = rows.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    TORCH_CHECK(row[i] >= 0 && row[i] < table.size(0), what, " ", row[i], "; there are ",
                table.size(0));
  }
}

// The numbers are in panels now; shapes still say what the layer is.
void forget_numbers(Linear& linear) {
  if (linear.weight.defined())
    linear.weight = at::empty(linear.weight.sizes(), linear.weight.options().device(at::kMeta));
}

}  // namespace

FusedPlan make_fused_plan(Model model, Precision products) {
  torch::NoGradGuard no_grad;
  FusedPlan out;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    auto& fused = out.layers.emplace_back();
    if (!FusedLayer::fits(model, static_cast<int>(i), products)) continue;
    fused.emplace(model, static_cast<int>(i), products);
    Layer& layer = model.layers[i];
    for (Linear* linear :
         {&layer.query, &layer.key, &layer.value, &layer.output, &layer.up, &layer.down})
      forget_numbers(*linear);
  }
  out.plan = make_plan(std::move(model), products);
  return out;
}

const FusedLayer* FusedBackend::fused(int layer) const {
  const auto& found = fused_.layers[static_cast<size_t>(layer)];
  return found ? &*found : nullptr;
}

Tensor FusedBackend::states(int64_t tokens, int64_t width) {
  const auto free = [&](const Tensor& one) {
    return one.size(1) == width && one.storage().use_count() == 1;
  };
  // What is free and too small would stay so.
  std::erase_if(kept_, [&](const Tensor& one) { return free(one) && one.size(0) < tokens; });
  for (const Tensor& one : kept_) {
    if (free(one)) return one.narrow(0, 0, tokens);
  }
  kept_.push_back(at::empty({tokens, width}, at::kFloat));
  return kept_.back().narrow(0, 0, tokens);
}

bool FusedBackend::embeds() const {
  const Model& m = model();
  const auto plain = [](const Tensor& table) {
    return table.is_cpu() && table.scalar_type() == at::kFloat && table.is_contiguous();
  };
  return !m.config.reads_images() && !m.projection.defined() && m.embedding_norm.defined() &&
         plain(m.word) && plain(m.position) && (!m.token_type.defined() || plain(m.token_type));
}

// Words, positions and types of a token are added up and normalised while they lie in the cache.
Hidden FusedBackend::embed(const Batch& batch, const LayerGates& gates) {
  if (!embeds()) return PackedBackend::embed(batch, gates);
  check_no_gates(gates);
  const Model& m = model();
  auto out = std::make_shared<PackedRows>();
  out->rows = std::make_shared<const TokenRows>(batch.lengths, at::kCPU);
  out->bias = relative_bias(m, out->rows->longest);
  const int64_t width = m.word.size(1), offset = m.config.position_offset;
  out->x = states(out->rows->tokens(), width);
  const Tensor ids = batch.ids.contiguous(), types = batch.types.contiguous();
  check_rows(m.word, ids, "word");
  if (m.token_type.defined()) check_rows(m.token_type, types, "token type");
  TORCH_CHECK(out->rows->longest + offset <= m.position.size(0), "a row of ", out->rows->longest,
              " tokens; there are positions for ", m.position.size(0) - offset);
  const auto* word = m.word.const_data_ptr<float>();
  const auto* position = m.position.const_data_ptr<float>() + offset * width;
  const auto* type = m.token_type.defined() ? m.token_type.const_data_ptr<float>() : nullptr;
  const auto *id = ids.const_data_ptr<int64_t>(), *kind = types.const_data_ptr<int64_t>();
  float* x = out->x.mutable_data_ptr<float>();
  at::parallel_for(0, out->rows->count(), kRowsAtOnce, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const auto at_row = static_cast<size_t>(row);
      const int64_t begin = out->rows->offsets[at_row], tokens = out->rows->lengths[at_row];
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t token = begin + t;
        kernels::add_rows(word + id[token] * width, position + t * width,
                          type == nullptr ? nullptr : type + kind[token] * width, width,
                          x + token * width);
      }
      kernels::layer_norm(
          x + begin * width, tokens, width, m.embedding_norm.weight.const_data_ptr<float>(),
          m.embedding_norm.bias.const_data_ptr<float>(), m.config.norm_eps, x + begin * width);
    }
  });
  return out;
}

template <class Run>
Tensor FusedBackend::computed(const PackedRows& in, int64_t rows, Run&& run) {
  const auto threads = static_cast<size_t>(at::get_num_threads());
  if (team_.size() < threads) team_.resize(threads);
  const Tensor x = in.x.contiguous();
  Tensor y = states(rows, x.size(1));
  run(FusedRows{x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), in.rows->offsets}, team_);
  return y;
}

Hidden FusedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            AttentionMaps* maps) {
  const FusedLayer* one = fused(layer);
  if (one == nullptr) return PackedBackend::attend(layer, hidden, gates, maps);
  check_no_gates(gates);
  TORCH_CHECK(maps == nullptr, "FusedBackend keeps no attention maps");
  const PackedRows& in = packed(hidden);
  const Tensor bias = kept_bias(model(), layer, in.bias);
  return with(hidden, computed(in, in.x.size(0), [&](const FusedRows& rows, Team team) {
                one->attend(rows, bias, team);
              }));
}

Hidden FusedBackend::attend_firsts(int layer, const Hidden& hidden, const LayerGates& gates) {
  const FusedLayer* one = fused(layer);
  if (one == nullptr) return PackedBackend::attend_firsts(layer, hidden, gates);
  check_no_gates(gates);
  const PackedRows& in = packed(hidden);
  const Tensor bias = kept_bias(model(), layer, in.bias);
  return with_firsts(hidden, computed(in, in.rows->count(), [&](const FusedRows& rows, Team team) {
                       one->attend_firsts(rows, bias, team);
                     }));
}

Hidden FusedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const FusedLayer* one = fused(layer);
  if (one == nullptr) return PackedBackend::feed(layer, hidden, gates);
  check_no_gates(gates);
  const PackedRows& in = packed(hidden);
  return with(hidden, computed(in, in.x.size(0),
                               [&](const FusedRows& rows, Team team) { one->feed(rows, team); }));
}

}  // namespace espalier::runtime
