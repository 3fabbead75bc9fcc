#pragma once

namespace espalier::server {

// The project's version, for example "0.1.0".
const char* version();

}  // namespace espalier::server
