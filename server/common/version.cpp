#include "server/common/version.h"

namespace espalier::server {

const char* version() { return ESPALIER_VERSION; }

}  // namespace espalier::server
