#include "core/model/activation.h"

namespace espalier {

const char* gelu_form(const std::string& name) {
  if (name == "gelu") return "none";
  return name == "gelu_new" ? "tanh" : nullptr;
}

Tensor activate(const std::string& name, const Tensor& x) {
  if (const char* form = gelu_form(name)) return at::gelu(x, form);
  if (name == "relu") return at::relu(x);
  TORCH_CHECK(name == "tanh", "unknown activation ", name);
  return at::tanh(x);
}

}  // namespace espalier
