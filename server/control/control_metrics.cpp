#include "server/control/control_metrics.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "server/common/status.h"

namespace espalier::server {
namespace {

using google::protobuf::Timestamp;

double seconds_between(const Timestamp& from, const Timestamp& to) {
  using google::protobuf::util::TimeUtil;
  return static_cast<double>(std::max<int64_t>(
             0, TimeUtil::TimestampToMilliseconds(to) - TimeUtil::TimestampToMilliseconds(from))) /
         1000;
}

}  // namespace

ControlMetrics::ControlMetrics(Metrics& metrics)
    : uploaded_bytes(
          metrics.counter("espalier_uploaded_bytes_total", "Bytes of chunks that were accepted.")),
      metrics_(metrics),
      queue_wait_(metrics.histogram("espalier_job_queue_wait_seconds",
                                    "Time from a job's submission to its first lease.",
                                    job_buckets())),
      run_(metrics.histogram("espalier_job_run_seconds",
                             "Time from a job's first lease to its end.", job_buckets())),
      expirations_(metrics.counter("espalier_lease_expirations_total", "Leases that expired.")),
      stale_(metrics.counter("espalier_stale_fence_rejections_total",
                             "Calls of workers whose lease has gone to another one.")) {}

void ControlMetrics::count_attempt(const std::string& outcome, int attempts) {
  metrics_
      .counter("espalier_job_attempts_total", "Attempts by how they ended.", {{"outcome", outcome}})
      .Increment(attempts);
}

void ControlMetrics::count_swept(const SweepResult& swept) {
  expirations_.Increment(swept.expired);
  if (swept.cancelled > 0) count_attempt("cancelled", swept.cancelled);
  if (swept.expired > swept.cancelled) count_attempt("expired", swept.expired - swept.cancelled);
}

void ControlMetrics::count_refusal(const absl::Status& status) {
  if (reason_of(status) == "STALE_FENCE") stale_.Increment();
}

void ControlMetrics::observe_start(const espalier::v1::Job& job) {
  if (job.attempt() == 1) queue_wait_.Observe(seconds_between(job.create_time(), job.start_time()));
}

void ControlMetrics::observe_end(const espalier::v1::Job& job) {
  if (job.has_start_time() && job.has_end_time()) {
    run_.Observe(seconds_between(job.start_time(), job.end_time()));
  }
}

void ControlMetrics::set_jobs(const std::vector<JobCount>& counts) {
  for (auto& [labels, gauge] : jobs_) gauge->Set(0);
  for (const JobCount& count : counts) {
    const std::string state = state_name(count.state);
    auto& gauge = jobs_[{state, count.method}];
    if (gauge == nullptr) {
      gauge = &metrics_.gauge("espalier_jobs", "Jobs by state and pruner.",
                              {{"state", state}, {"method", count.method}});
    }
    gauge->Set(static_cast<double>(count.count));
  }
}

}  // namespace espalier::server
