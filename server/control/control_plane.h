// ControlPlane: all of espalierd but flags and signals.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/spec/catalogue.h"
#include "server/common/metrics.h"
#include "server/control/clock.h"
#include "server/control/inspect.h"
#include "server/control/job_store.h"

namespace espalier::server {

struct ControlOptions {
  std::string listen = "127.0.0.1:7400";
  std::string admin = "127.0.0.1:7401";
  std::string data;  // folder; made when missing
  LeaseRules rules;
  bool durable = true;  // false: no fsync of the database, for tests
};

class ControlPlane {
 public:
  // Opens the store, starts the threads, listens, and is ready. FAILED_PRECONDITION when another
  // espalierd has the data folder, UNAVAILABLE when a port is taken. `clock` and `inspector` must
  // outlive it.
  static absl::StatusOr<std::unique_ptr<ControlPlane>> start(const ControlOptions& options,
                                                             Catalogue catalogue,
                                                             const Clock& clock,
                                                             Inspector& inspector);
  // drain() with no grace.
  ~ControlPlane();

  // Readiness off, long polls and watches end, calls in flight finish, threads stop. Idempotent.
  void drain(std::chrono::milliseconds grace);

  // The bound addresses.
  const std::string& address() const;
  const std::string& admin_address() const;
  // For tests.
  JobStore& store();
  // What happens each second anyway.
  void tick();

 private:
  struct Impl;
  explicit ControlPlane(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::server
