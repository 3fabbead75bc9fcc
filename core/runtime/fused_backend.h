// The backend of serving on a CPU: fused layers where a layer can be fused, all others are
// PackedBackend's. One walk at a time: it keeps what it computes in from batch to batch.
//
// Reference twin: PackedBackend with the same products. In bf16 that rounds the results of products
// too, which fused layers do not.
#pragma once

#include <optional>
#include <vector>

#include "core/runtime/fused_layer.h"
#include "core/runtime/packed_backend.h"

namespace espalier::runtime {

// Of a layer that is fused the plan's model keeps the weights' shapes, on the meta device.
struct FusedPlan {
  Plan plan;
  std::vector<std::optional<FusedLayer>> layers;
};
FusedPlan make_fused_plan(Model model, Precision products = Precision::kFp32);

class FusedBackend : public PackedBackend {
 public:
  // `plan` must outlive the backend.
  explicit FusedBackend(const FusedPlan& plan) : PackedBackend(plan.plan), fused_(plan) {}
  Hidden embed(const Batch& batch, const LayerGates& gates) override;
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, AttentionMaps* maps) override;
  Hidden attend_firsts(int layer, const Hidden& x, const LayerGates& gates) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;

 private:
  // Whether embeddings can be added up in one pass: a text model's, of fp32 on the CPU.
  bool embeds() const;
  // Null where the layer is PackedBackend's.
  const FusedLayer* fused(int layer) const;
  // run(rows, team) from the states `in` to y [rows, width], which is returned.
  template <class Run>
  Tensor computed(const PackedRows& in, int64_t rows, Run&& run);
  // [tokens, width], not initialised: memory that no tensor reads any more, where there is some.
  Tensor states(int64_t tokens, int64_t width);

  const FusedPlan& fused_;
  std::vector<Scratch> team_;
  std::vector<Tensor> kept_;  // [n, width] each
};

}  // namespace espalier::runtime
