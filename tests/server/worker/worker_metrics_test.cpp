#include "server/worker/worker_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::server {
namespace {

using testing::HasSubstr;

TEST(WorkerMetrics, StepsAndExamplesAreCountedByPhase) {
  Metrics metrics("worker");
  WorkerMetrics worker(metrics);
  worker.job_started();
  worker.progress({.phase = "finetune", .step = 0, .phase_change = true});
  worker.progress({.phase = "finetune", .step = 10, .metrics = {{"examples", 320}}});
  worker.progress({.phase = "finetune", .step = 30, .metrics = {{"examples", 960}}});
  worker.progress({.phase = "prune", .step = 0, .phase_change = true});
  worker.progress({.phase = "prune", .step = 5, .metrics = {{"examples", 160}}});
  EXPECT_THAT(metrics.text(), HasSubstr("espalier_training_steps_total{phase=\"finetune\"} 30\n"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("espalier_training_examples_total{phase=\"finetune\"} 960\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("espalier_training_steps_total{phase=\"prune\"} 5\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("espalier_worker_busy 1\n"));
}

TEST(WorkerMetrics, StepsBeforeAResumeAreNotCountedAgain) {
  Metrics metrics("worker");
  WorkerMetrics worker(metrics);
  worker.job_started();
  worker.progress(
      {.phase = "prune", .step = 100, .metrics = {{"examples", 3200}}, .phase_change = true});
  worker.progress({.phase = "prune", .step = 101, .metrics = {{"examples", 3232}}});
  EXPECT_THAT(metrics.text(), HasSubstr("espalier_training_steps_total{phase=\"prune\"} 1\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("espalier_training_examples_total{phase=\"prune\"} 32\n"));
}

}  // namespace
}  // namespace espalier::server
