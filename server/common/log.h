// Logging of a daemon: spdlog to stderr, one line a thing that matters. Use spdlog::info(...)
// anywhere.
#pragma once

#include <string>

namespace espalier::server {

// "2026-01-31T12:00:00.123 info  [worker] leased projects/default/jobs/a". The level comes from the
// environment variable ESPALIER_LOG (debug, info, warn, error); info by default. What
// protobuf has to say goes the same way; about requests that it cannot parse at debug.
void setup_logging(const std::string& component);

}  // namespace espalier::server
