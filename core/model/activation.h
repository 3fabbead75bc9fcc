// Activations by the names that ModelConfig uses.
#pragma once

#include <string>

#include "core/model/linear.h"

namespace espalier {

// "gelu" (erf), "gelu_new" (its tanh form), "relu" or "tanh"; any shape.
Tensor activate(const std::string& name, const Tensor& x);

// Which form of at::gelu a name means, "none" (erf) or "tanh"; null: it is no gelu.
const char* gelu_form(const std::string& name);

}  // namespace espalier
