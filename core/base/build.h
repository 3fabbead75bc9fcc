// What this program was built from.
#pragma once

namespace espalier {

const char* version();  // for example "0.1.0"
const char* commit();   // twelve hex digits as of the last configure, or "unknown"

}  // namespace espalier
