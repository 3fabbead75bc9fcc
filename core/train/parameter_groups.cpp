#include "core/train/parameter_groups.h"

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

// Biases and norms are not decayed.
bool decays(const std::string& name) {
  return !name.ends_with(".bias") && name.find("norm") == std::string::npos;
}

}  // namespace

std::vector<OptimiserGroup> parameter_groups(Model& model, const TrainingSpec& spec,
                                             const std::vector<Method*>& methods) {
  OptimiserGroup decayed, plain;
  decayed.learning_rate = plain.learning_rate = spec.learning_rate;
  decayed.weight_decay = spec.weight_decay;
  model.for_each([&](const std::string& name, Tensor& tensor) {
    bool trained = !name.ends_with(".mask");
    for (const Method* method : methods) trained = trained && method->trains(name);
    tensor.set_requires_grad(trained);
    if (!trained) return;
    OptimiserGroup& group = decays(name) ? decayed : plain;
    group.names.push_back(name);
    group.parameters.push_back(tensor);
  });
  std::vector<OptimiserGroup> groups = {std::move(decayed), std::move(plain)};
  for (Method* method : methods) {
    for (ParamGroup& own : method->parameters()) {
      OptimiserGroup group;
      for (size_t i = 0; i < own.parameters.size(); ++i)
        group.names.push_back(absl::StrCat(own.name, ".", i));
      group.parameters = own.parameters;
      group.learning_rate = own.learning_rate;
      group.weight_decay = own.weight_decay;
      group.clip = own.clip;
      group.ascend = own.ascend;
      group.scheduled = own.scheduled;
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

}  // namespace espalier
