#include "core/model/activation.h"

#include <map>

namespace espalier {

Tensor activate(const std::string& name, const Tensor& x) {
  using Function = Tensor (*)(const Tensor&);
  static const std::map<std::string, Function> kKnown = {
      {"gelu", [](const Tensor& t) { return at::gelu(t); }},
      {"gelu_new", [](const Tensor& t) { return at::gelu(t, "tanh"); }},
      {"relu", [](const Tensor& t) { return at::relu(t); }},
      {"tanh", [](const Tensor& t) { return at::tanh(t); }}};
  auto it = kKnown.find(name);
  TORCH_CHECK(it != kKnown.end(), "unknown activation ", name);
  return it->second(x);
}

}  // namespace espalier
