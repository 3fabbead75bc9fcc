#pragma once

#include "core/method/method.h"

namespace espalier {

// Every distiller, one line each.
const DistillerRegistry& distillers();

}  // namespace espalier
