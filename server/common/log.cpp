#include "server/common/log.h"

#include <google/protobuf/stubs/logging.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/match.h"

namespace espalier::server {
namespace {

// Protobuf says an error for every string of a request that is no UTF-8: whoever can reach a port
// could fill the disk. The caller is told by gRPC; our log is for what goes wrong here.
void on_protobuf_log(google::protobuf::LogLevel level, const char*, int,
                     const std::string& message) {
  const bool is_callers =
      level < google::protobuf::LOGLEVEL_FATAL && absl::StrContains(message, "when parsing");
  spdlog::log(is_callers ? spdlog::level::debug : spdlog::level::err, "protobuf: {}", message);
}

}  // namespace

void setup_logging(const std::string& component) {
  auto logger = spdlog::stderr_logger_mt(component);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %-5l [%n] %v");
  const char* level = std::getenv("ESPALIER_LOG");
  // from_str answers "off" to what it does not know; a typing error must not silence a daemon.
  auto parsed = spdlog::level::from_str(level ? level : "info");
  logger->set_level(parsed == spdlog::level::off ? spdlog::level::info : parsed);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  google::protobuf::SetLogHandler(on_protobuf_log);
}

}  // namespace espalier::server
