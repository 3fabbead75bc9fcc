#include "server/worker/worker_metrics.h"

#include <algorithm>
#include <utility>

namespace espalier::server {
namespace {

const std::vector<double> kTransferSeconds = {0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000};
const std::vector<double> kBytes = {1e5, 1e6, 1e7, 3e7, 1e8, 3e8, 1e9, 3e9, 1e10};

void add_growth(prometheus::Counter& counter, double now, double& before) {
  counter.Increment(std::max(0.0, now - std::exchange(before, now)));
}

}  // namespace

WorkerMetrics::WorkerMetrics(Metrics& metrics)
    : metrics_(metrics),
      busy_(metrics.gauge("espalier_worker_busy", "1 while a job runs.")),
      checkpoint_seconds_(metrics.histogram("espalier_worker_checkpoint_seconds",
                                            "Time from a written checkpoint to its commit.",
                                            kTransferSeconds)),
      checkpoint_bytes_(metrics.histogram("espalier_worker_checkpoint_bytes",
                                          "Size of a committed checkpoint.", kBytes)) {}

void WorkerMetrics::job_started() {
  busy_.Set(1);
  phase_.clear();
}

void WorkerMetrics::progress(const JobProgress& progress) {
  auto found = progress.metrics.find("examples");
  double examples = found == progress.metrics.end() ? 0 : found->second;
  double steps = static_cast<double>(progress.step);
  if (progress.phase_change || progress.phase != phase_) {
    phase_ = progress.phase;
    steps_ = steps;
    examples_ = examples;
  }
  Metrics::Labels labels = {{"phase", phase_}};
  add_growth(metrics_.counter("espalier_training_steps_total", "Optimiser steps done.", labels),
             steps, steps_);
  add_growth(metrics_.counter("espalier_training_examples_total", "Examples trained on.", labels),
             examples, examples_);
}

void WorkerMetrics::job_ended(const std::string& outcome) {
  busy_.Set(0);
  metrics_
      .counter("espalier_worker_jobs_total", "Leases that ended, by outcome.",
               {{"outcome", outcome}})
      .Increment();
}

void WorkerMetrics::checkpoint(double seconds, uint64_t bytes) {
  checkpoint_seconds_.Observe(seconds);
  checkpoint_bytes_.Observe(static_cast<double>(bytes));
}

}  // namespace espalier::server
