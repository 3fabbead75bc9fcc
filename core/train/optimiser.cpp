#include "core/train/optimiser.h"

#include "core/train/adamax.h"
#include "core/train/adamw.h"

namespace espalier {

Optimiser::Optimiser(std::vector<OptimiserGroup> groups, const Betas& betas, std::string name,
                     std::string size, bool counts_on_host)
    : betas_(betas), name_(std::move(name)), size_name_(std::move(size)) {
  for (OptimiserGroup& group : groups) {
    Group out;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      Tensor p = group.parameters[i];
      auto count = at::TensorOptions()
                       .dtype(at::kFloat)
                       .device(counts_on_host ? at::Device(at::kCPU) : p.device());
      out.slots.push_back({group.names[i],
                           p,
                           at::zeros_like(p.detach()),
                           at::zeros_like(p.detach()),
                           at::zeros({}, count),
                           {}});
    }
    out.options = std::move(group);
    groups_.push_back(std::move(out));
  }
}

void Optimiser::zero_grad() {
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) slot.parameter.mutable_grad() = Tensor();
  }
}

Tensor Optimiser::clip(double max_norm) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> grads;
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) {
      Tensor grad = slot.parameter.grad();
      if (!grad.defined()) continue;
      if (grad.is_sparse()) {  // rows that were read several times, by their sum
        grad = grad.coalesce();
        slot.parameter.mutable_grad() = grad;
      }
      if (group.options.ascend) grad.neg_();
      if (group.options.clip) grads.push_back(grad.is_sparse() ? grad._values() : grad);
    }
  }
  divisor_ = Tensor();
  if (grads.empty()) return at::zeros({});
  Tensor norm = at::stack(at::_foreach_norm(grads)).norm();
  // The update divides as it reads: no pass over the gradients of its own.
  divisor_ = max_norm > 0 ? ((norm + 1e-6) / max_norm).clamp_min(1.0) : Tensor();
  return norm;
}

void Optimiser::step(double factor) {
  torch::NoGradGuard no_grad;
  for (Group& group : groups_) {
    const double rate = group.options.learning_rate * (group.options.scheduled ? factor : 1);
    const Tensor divisor = group.options.clip ? divisor_ : Tensor();
    Lists lists;
    for (Slot& slot : group.slots) {
      Tensor grad = slot.parameter.grad();
      if (!grad.defined()) continue;
      slot.count.add_(1);
      if (grad.is_sparse()) {
        grad = grad.coalesce();
        if (update_rows({slot.parameter, slot.mean, slot.size, slot.count,
                         grad._indices().select(0, 0).contiguous(), grad._values().contiguous(),
                         slot.moving},
                        rate, group.options.weight_decay, divisor)) {
          continue;
        }
        grad = grad.to_dense();
      }
      slot.moving.clear();  // from here on all rows may move
      lists.parameters.push_back(slot.parameter);
      lists.grads.push_back(grad);
      lists.means.push_back(slot.mean);
      lists.sizes.push_back(slot.size);
      lists.counts.push_back(slot.count);
    }
    if (lists.parameters.empty()) continue;
    update(lists, rate, group.options.weight_decay, divisor);
  }
  divisor_ = Tensor();
}

template <class F>
void Optimiser::for_each_state(F&& visit) const {
  for (const Group& group : groups_) {
    for (const Slot& slot : group.slots) {
      visit(name_ + ".mean." + slot.name, slot.mean);
      visit(name_ + "." + size_name_ + "." + slot.name, slot.size);
      visit(name_ + ".count." + slot.name, slot.count);
    }
  }
}

void Optimiser::save(State& state) const {
  for_each_state(
      [&](const std::string& name, const Tensor& tensor) { state.tensors[name] = tensor; });
}

void Optimiser::load(const State& state) {
  for_each_state(
      [&](const std::string& name, const Tensor& tensor) { tensor.copy_(state.tensors.at(name)); });
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) slot.moving.clear();
  }
}

std::unique_ptr<Optimiser> make_optimiser(const TrainingSpec& spec,
                                          std::vector<OptimiserGroup> groups) {
  const Betas betas{spec.beta1, spec.beta2, spec.eps};
  if (spec.optimiser == OptimiserKind::kAdamax)
    return std::make_unique<Adamax>(std::move(groups), betas);
  return std::make_unique<AdamW>(std::move(groups), betas);
}

}  // namespace espalier
