// What a worker counts about itself.
#pragma once

#include <cstdint>
#include <string>

#include "core/job/compress.h"
#include "server/common/metrics.h"

namespace espalier::server {

class WorkerMetrics {
 public:
  explicit WorkerMetrics(Metrics& metrics);

  // Before the first progress of a job.
  void job_started();
  // Adds what was done since the last progress of the same phase. What stood there when the phase
  // was entered, after a resume, was done by somebody else.
  void progress(const JobProgress& progress);
  // "succeeded", "failed", "cancelled", "released" or "lost"; ends job_started().
  void job_ended(const std::string& outcome);
  void checkpoint(double seconds, uint64_t bytes);

 private:
  Metrics& metrics_;
  prometheus::Gauge& busy_;
  prometheus::Histogram& checkpoint_seconds_;
  prometheus::Histogram& checkpoint_bytes_;
  std::string phase_;
  double steps_ = 0, examples_ = 0;  // of phase_, as last reported
};

}  // namespace espalier::server
