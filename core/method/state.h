// What a method or the trainer puts into a checkpoint: named tensors and a JSON object.
#pragma once

#include <map>
#include <string>

#include "core/base/options.h"
#include "core/model/linear.h"

namespace espalier {

struct State {
  std::map<std::string, Tensor> tensors;
  Json json = Json::object();
};

}  // namespace espalier
