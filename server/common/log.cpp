#include "server/common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace espalier::server {

void setup_logging(const std::string& component) {
  auto logger = spdlog::stderr_logger_mt(component);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %-5l [%n] %v");
  const char* level = std::getenv("ESPALIER_LOG");
  // from_str answers "off" to what it does not know; a typing error must not silence a daemon.
  auto parsed = spdlog::level::from_str(level ? level : "info");
  logger->set_level(parsed == spdlog::level::off ? spdlog::level::info : parsed);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace espalier::server
