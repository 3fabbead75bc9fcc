// What espalierd measures beside its RPCs.
#pragma once

#include <string>

#include "server/common/metrics.h"
#include "server/control/job_store.h"

namespace espalier::server {

class ControlMetrics {
 public:
  explicit ControlMetrics(Metrics& metrics);

  // How an attempt ended: "succeeded", "failed", "retried", "released", "cancelled" or "expired".
  void count_attempt(const std::string& outcome, int attempts = 1);
  void count_swept(const SweepResult& swept);
  // Counts calls of workers whose lease has gone to another one.
  void count_refusal(const absl::Status& status);
  void observe_start(const espalier::v1::Job& job);
  void observe_end(const espalier::v1::Job& job);
  // espalier_jobs{state,method}; pairs that have gone are set to 0.
  void set_jobs(const std::vector<JobCount>& counts);

  prometheus::Counter& uploaded_bytes;

 private:
  Metrics& metrics_;
  prometheus::Histogram& queue_wait_;
  prometheus::Histogram& run_;
  prometheus::Counter& expirations_;
  prometheus::Counter& stale_;
  std::map<std::pair<std::string, std::string>, prometheus::Gauge*> jobs_;
};

}  // namespace espalier::server
