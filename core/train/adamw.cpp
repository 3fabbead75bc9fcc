#include "core/train/adamw.h"

namespace espalier {
namespace {
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;
}

AdamW::AdamW(std::vector<OptimiserGroup> groups) {
  for (OptimiserGroup& group : groups) {
    Group out;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      Tensor p = group.parameters[i];
      out.slots.push_back({group.names[i], p, at::zeros_like(p.detach()),
                           at::zeros_like(p.detach()),
                           at::zeros({}, p.options().dtype(at::kFloat).requires_grad(false))});
    }
    out.options = std::move(group);
    groups_.push_back(std::move(out));
  }
}

void AdamW::zero_grad() {
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) slot.parameter.mutable_grad() = Tensor();
  }
}

Tensor AdamW::clip(double max_norm) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> grads;
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) {
      Tensor grad = slot.parameter.grad();
      if (!grad.defined()) continue;
      if (group.options.ascend) grad.neg_();
      if (group.options.clip) grads.push_back(grad);
    }
  }
  divisor_ = Tensor();
  if (grads.empty()) return at::zeros({});
  Tensor norm = at::stack(at::_foreach_norm(grads)).norm();
  // The fused step divides as it reads: no pass over the gradients of its own.
  divisor_ = max_norm > 0 ? ((norm + 1e-6) / max_norm).clamp_min(1.0) : Tensor();
  return norm;
}

void AdamW::step(double factor) {
  torch::NoGradGuard no_grad;
  for (Group& group : groups_) {
    std::vector<Tensor> parameters, grads, means, squares, counts;
    for (Slot& slot : group.slots) {
      if (!slot.parameter.grad().defined()) continue;
      parameters.push_back(slot.parameter);
      grads.push_back(slot.parameter.grad());
      means.push_back(slot.mean);
      squares.push_back(slot.square);
      slot.count.add_(1);
      counts.push_back(slot.count);
    }
    if (parameters.empty()) continue;
    at::_fused_adamw_(
        parameters, grads, means, squares, /*max_exp_avg_sqs=*/{}, counts,
        group.options.learning_rate * (group.options.scheduled ? factor : 1), kBeta1, kBeta2,
        group.options.weight_decay, kEps,
        /*amsgrad=*/false, /*maximize=*/false,
        group.options.clip && divisor_.defined() ? std::optional<Tensor>(divisor_) : std::nullopt);
  }
  divisor_ = Tensor();
}

void AdamW::save(State& state) const {
  for (const Group& group : groups_) {
    for (const Slot& slot : group.slots) {
      state.tensors["adamw.mean." + slot.name] = slot.mean;
      state.tensors["adamw.square." + slot.name] = slot.square;
      state.tensors["adamw.count." + slot.name] = slot.count;
    }
  }
}

void AdamW::load(const State& state) {
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) {
      slot.mean.copy_(state.tensors.at("adamw.mean." + slot.name));
      slot.square.copy_(state.tensors.at("adamw.square." + slot.name));
      slot.count.copy_(state.tensors.at("adamw.count." + slot.name));
    }
  }
}

}  // namespace espalier
