#pragma once

#include "core/method/method.h"

namespace espalier {

// Every exit method, one line each.
const ExitRegistry& exit_methods();

}  // namespace espalier
