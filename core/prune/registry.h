#pragma once

#include "core/method/method.h"

namespace espalier {

// Every pruner, one line each.
const PrunerRegistry& pruners();

}  // namespace espalier
