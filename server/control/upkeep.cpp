#include "server/control/upkeep.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/base/status_macros.h"
#include "server/control/matching.h"

namespace espalier::server {
namespace {

constexpr int kTicksBetweenCollections = 3600;

void report(const char* what, const absl::Status& status) {
  if (!status.ok()) spdlog::error("{} failed: {}", what, status.ToString());
}

}  // namespace

void Upkeep::start() {
  thread_ = std::thread([this] { loop(); });
}

void Upkeep::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Upkeep::loop() {
  for (int ticks = 0;; ++ticks) {
    if (ticks % kTicksBetweenCollections == 0) collect();
    tick();
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, std::chrono::seconds(1), [&] { return stopped_; })) return;
  }
}

void Upkeep::tick() {
  report("sweeping leases", sweep());
  report("looking at the queue", explain_waiting());
  if (auto counts = store_.job_counts(); counts.ok()) metrics_.set_jobs(*counts);
}

absl::Status Upkeep::sweep() {
  ESPALIER_ASSIGN_OR_RETURN(const SweepResult swept, store_.sweep());
  if (swept.expired == 0) return absl::OkStatus();
  spdlog::warn("{} leases expired: {} jobs lost, {} cancelled, the others wait for a worker",
               swept.expired, swept.lost, swept.cancelled);
  metrics_.count_swept(swept);
  notifier_.notify();
  return absl::OkStatus();
}

absl::Status Upkeep::explain_waiting() {
  const auto workers = workers_.alive();  // also forgets those that are gone, jobs or not
  ESPALIER_ASSIGN_OR_RETURN(const auto queued, store_.queued_jobs());
  for (const auto& job : queued) {
    const bool able = std::any_of(workers.begin(), workers.end(), [&](const auto& worker) {
      return mismatch(job, 0, worker).empty();
    });
    const std::string reason = able ? "" : "NO_CAPABLE_WORKER";
    if (reason == job.state_reason()) continue;
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(job.name(), "jobs"));
    ESPALIER_RETURN_IF_ERROR(store_.set_waiting_reason(key, reason));
  }
  return absl::OkStatus();
}

void Upkeep::collect() {
  auto collected = blobs_.collect();
  report("collecting blobs", collected.status());
  if (collected.ok() && *collected > 0)
    spdlog::info("removed {} blobs that nothing refers to", *collected);
}

}  // namespace espalier::server
