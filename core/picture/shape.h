// Which heads and neurons of the dense model are left in each layer of the compressed one.
#pragma once

#include <string>

#include "core/base/options.h"

namespace espalier {

// Both are "" where the report does not have the layers of two models.

// Two bars a layer, over the outline of the dense ones; a sub-layer that is gone is an empty one.
std::string shape_svg(const Json& report);
// One line a layer: " 1  heads #..#.. 2/6  neurons ####................ 301/1536", each head in its
// place; the last line is of hidden dimensions where some are gone.
std::string shape_text(const Json& report);

}  // namespace espalier
