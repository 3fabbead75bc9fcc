#include "core/prune/reachable.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/spec/linear_slots.h"

namespace espalier {

absl::Status check_reachable(const std::string& pruner, double aim, double reachable) {
  if (aim <= reachable + 1e-9) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      pruner, " cannot take away a share of ", aim, " of what the target counts: with all it may ",
      "remove gone, ", reachable, " is reached; aim lower, or choose a pruner that takes more"));
}

absl::Status check_weights_count(const std::string& pruner, const Aim& aim,
                                 const ModelConfig& config) {
  if (aim.cost_of(config).single_weight() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      pruner, " takes single weights here, which leaves every matrix its shape, and the target is ",
      "about shapes; aim at a sparsity, or choose the scope structure, sublayer or layer, or a ",
      "pruner of structures"));
}

absl::Status check_whole(const std::string& pruner, const ModelConfig& config) {
  for (const LinearSlot& slot : linear_slots(config)) {
    if (slot.place != LinearSlot::Place::kLayer) continue;
    if (stored_shape(config, slot.name).kind != LinearShape::Kind::kFactored) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(pruner, " takes units of whole matrices, and ", slot.name,
                     " is stored as two factors; flop would work on this model, or a pruner of "
                     "single weights, or this one on the model before it was factored"));
  }
  return absl::OkStatus();
}

double whole_weights(const ModelConfig& config) {
  double out = 0;
  for (const LinearSlot& slot : linear_slots(config)) {
    if (slot.place != LinearSlot::Place::kLayer) continue;
    if (stored_shape(config, slot.name).kind == LinearShape::Kind::kFactored) continue;
    out += static_cast<double>(slot.outputs * slot.inputs);
  }
  return out;
}

absl::Status check_solvable(const std::string& who, const ModelConfig& config) {
  for (const LinearSlot& slot : linear_slots(config)) {
    const bool output =
        slot.name.ends_with(".attention.output") || slot.name.ends_with(".ffn.down");
    if (slot.place != LinearSlot::Place::kLayer || !output) continue;
    const LinearShape::Kind kind = stored_shape(config, slot.name).kind;
    if (kind == LinearShape::Kind::kDense) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        who, " solves layers' output matrices anew, but the model has ", slot.name,
        kind == LinearShape::Kind::kMasked ? " with single weights masked, which would come back"
                                           : " as two factors",
        "; take the model from before that"));
  }
  return absl::OkStatus();
}

Gates all_closed(const ModelConfig& config, bool hidden) {
  const auto layers = static_cast<int64_t>(config.layers.size());
  int64_t heads = 0, neurons = 0;
  for (const LayerShape& shape : config.layers) {
    heads = std::max(heads, static_cast<int64_t>(shape.kept_heads.size()));
    neurons = std::max<int64_t>(neurons, shape.neurons);
  }
  Gates gates;
  gates.head = at::zeros({layers, heads}, at::kDouble);
  gates.neuron = at::zeros({layers, neurons}, at::kDouble);
  if (hidden) gates.hidden = at::zeros({config.hidden}, at::kDouble);
  return gates;
}

}  // namespace espalier
