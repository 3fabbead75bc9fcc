// The backend of serving on a CPU: layers that can be fused are, the others are PackedBackend's.
// Reference twin: PackedBackend.
#pragma once

#include <optional>

#include "core/runtime/fused_layer.h"
#include "core/runtime/packed_backend.h"

namespace espalier::runtime {

// What `plan` lacks of the weights of fused layers, which are kept once.
struct FusedPlan {
  Plan plan;
  std::vector<std::optional<FusedLayer>> layers;
};
FusedPlan make_fused_plan(Model model);

class FusedBackend : public PackedBackend {
 public:
  // `plan` must outlive the backend.
  explicit FusedBackend(const FusedPlan& plan) : PackedBackend(plan.plan), fused_(plan) {}
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, Tensor* attention) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;

 private:
  const FusedPlan& fused_;
};

}  // namespace espalier::runtime
