#include "core/model/recompute.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <mutex>
#include <utility>

namespace espalier {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Where the generators stand that dropout on a device draws from: keys come from the CPU's, see
// kernels/dropout.h.
class RandomPlace {
 public:
  explicit RandomPlace(torch::Device device) {
    add(at::detail::getDefaultCPUGenerator());
    if (!device.is_cpu()) add(at::globalContext().defaultGenerator(device));
  }
  void go() const {
    for (auto [generator, state] : states_) {
      std::lock_guard lock(generator.mutex());
      generator.set_state(state);
    }
  }

 private:
  void add(at::Generator generator) {
    std::lock_guard lock(generator.mutex());
    states_.emplace_back(generator, generator.get_state());
  }
  std::vector<std::pair<at::Generator, Tensor>> states_;
};

// Goes back to a place, and at its end to where it came from.
class RandomReplay {
 public:
  RandomReplay(const RandomPlace& place, torch::Device device) : now_(device) { place.go(); }
  ~RandomReplay() { now_.go(); }
  RandomReplay(const RandomReplay&) = delete;
  RandomReplay& operator=(const RandomReplay&) = delete;

 private:
  RandomPlace now_;
};

struct Kept : torch::CustomClassHolder {
  Kept(Part part, torch::Device device) : part(std::move(part)), random(device) {}
  Part part;
  RandomPlace random;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static variable_list forward(AutogradContext* context, const Tensor& x, at::TensorList reads,
                               const c10::intrusive_ptr<Kept>& kept) {
    variable_list inputs = {x};
    inputs.insert(inputs.end(), reads.begin(), reads.end());
    context->save_for_backward(std::move(inputs));
    context->saved_data["kept"] = at::IValue::make_capsule(kept);
    context->set_materialize_grads(false);  // an output that nobody uses stays out of backward
    return kept->part(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    variable_list inputs = context->get_saved_variables();
    const auto kept =
        c10::static_intrusive_pointer_cast<Kept>(context->saved_data["kept"].toCapsule());
    // Cut from the graph that x came from: what lies before x is the business of the pass around
    // this one.
    const bool into_x = inputs[0].requires_grad();
    const Tensor x = inputs[0].detach().set_requires_grad(into_x);
    variable_list outputs, roots, root_grads;
    {
      at::AutoGradMode record(true);
      RandomReplay replay(kept->random, x.device());
      outputs = kept->part(x);
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!grads[i].defined() || !outputs[i].requires_grad()) continue;
      roots.push_back(outputs[i]);
      root_grads.push_back(grads[i]);
    }
    variable_list found(inputs.size() + 1);  // the last for `kept`, which is no tensor
    if (roots.empty()) return found;
    inputs[0] = x;
    if (!into_x) inputs.erase(inputs.begin());
    variable_list into = torch::autograd::grad(roots, inputs, root_grads, /*retain_graph=*/false,
                                               /*create_graph=*/false, /*allow_unused=*/true);
    std::move(into.begin(), into.end(), found.begin() + (into_x ? 0 : 1));
    return found;
  }
};

}  // namespace

std::vector<Tensor> recomputed(const Tensor& x, const std::vector<Tensor>& reads,
                               const Part& part) {
  std::vector<Tensor> learning;
  for (const Tensor& tensor : reads) {
    if (tensor.defined() && tensor.requires_grad()) learning.push_back(tensor);
  }
  if (!at::GradMode::is_enabled() || (learning.empty() && !x.requires_grad())) return part(x);
  return Recomputed::apply(x, at::TensorList(learning),
                           c10::make_intrusive<Kept>(part, x.device()));
}

}  // namespace espalier
