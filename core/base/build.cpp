#include "core/base/build.h"

namespace espalier {

const char* version() { return ESPALIER_VERSION; }
const char* commit() { return ESPALIER_COMMIT; }

}  // namespace espalier
