// The backend of serving on a CPU. Batches of few tokens, which are most of what an endpoint sees
// when it is not loaded, go through fused layers where a layer can be fused; all others are
// PackedBackend's, whose products of many rows are as fast. The weights of layers that can be fused
// are in memory twice.
//
// Reference twin: PackedBackend.
#pragma once

#include <optional>

#include "core/runtime/fused_layer.h"
#include "core/runtime/packed_backend.h"

namespace espalier::runtime {

struct FusedPlan {
  Plan plan;
  std::vector<std::optional<FusedLayer>> layers;
};
FusedPlan make_fused_plan(Model model);

class FusedBackend : public PackedBackend {
 public:
  // A batch of more is none of few. Measured (tests/bench/engine) on two cores: at 32 tokens fused
  // layers take 0.6 of the time, at 128 as much, above more.
  static constexpr int64_t kMostTokens = 128;

  // `plan` must outlive the backend.
  explicit FusedBackend(const FusedPlan& plan) : PackedBackend(plan.plan), fused_(plan) {}
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, Tensor* attention) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;

 private:
  // Null where this batch's layer is PackedBackend's.
  const FusedLayer* fused(int layer, const PackedRows& in) const;

  const FusedPlan& fused_;
};

}  // namespace espalier::runtime
