// What an artifact's precision makes of a model.
#pragma once

#include <map>
#include <string>

#include "core/model/model.h"
#include "core/spec/precision.h"

namespace espalier {

// The model as load_artifact() gives it back, on the CPU: masks are zeros in the weights, because
// an artifact is served, not trained, and what spec/stored_weights.h narrows is rounded, though
// fp32 still. Doing it twice is doing it once. Tensors that stay what they are are shared. Throws
// StatusError FAILED_PRECONDITION, with the tensor's name, for weights of the layers that are NaN
// or infinite, or would be in this precision.
Model as_stored(const Model& model, Precision precision);

// The tensors of model.safetensors, of a model that as_stored() made: exactly its values.
std::map<std::string, Tensor> stored_tensors(const Model& stored, Precision precision);

}  // namespace espalier
