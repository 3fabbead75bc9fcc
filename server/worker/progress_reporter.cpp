#include "server/worker/progress_reporter.h"

#include <spdlog/spdlog.h>

#include <cmath>

#include "server/common/bounded_text.h"

namespace espalier::server {
namespace {

constexpr char kPhase[] = "phase";
constexpr char kProgress[] = "progress";
constexpr std::chrono::seconds kEventEvery{2};  // an event is a row in the job's history
constexpr std::chrono::milliseconds kAgain{250};
constexpr size_t kMaxWaiting = 256;

espalier::v1::Progress to_proto(const JobProgress& progress) {
  espalier::v1::Progress out;
  out.set_phase(progress.phase);
  out.set_phase_index(static_cast<uint32_t>(progress.phase_index));
  out.set_phases(static_cast<uint32_t>(progress.phases));
  out.set_step(static_cast<uint32_t>(progress.step));
  out.set_steps(static_cast<uint32_t>(progress.steps));
  for (const auto& [name, value] : progress.metrics) {
    if (std::isfinite(value)) (*out.mutable_metrics())[name] = value;
  }
  out.set_message(progress.message);
  bound_texts(out);
  return out;
}

bool is_phase(const wire::ReportProgressRequest& request) { return request.event_kind() == kPhase; }

}  // namespace

ProgressReporter::ProgressReporter(HeldLease& lease) : lease_(lease), thread_([this] { run(); }) {}

ProgressReporter::~ProgressReporter() { finish(); }

void ProgressReporter::report(const JobProgress& progress) {
  wire::ReportProgressRequest request;
  *request.mutable_progress() = to_proto(progress);
  request.set_message(request.progress().message());
  auto now = std::chrono::steady_clock::now();
  {
    std::lock_guard lock(mutex_);
    bool due = now - last_event_ >= kEventEvery;
    if (!waiting_.empty() && !is_phase(waiting_.back())) {
      due |= !waiting_.back().event_kind().empty();  // the event that this one replaces
      waiting_.pop_back();
    }
    request.set_event_kind(progress.phase_change ? kPhase : due ? kProgress : "");
    if (!request.event_kind().empty()) last_event_ = now;
    waiting_.push_back(std::move(request));
    if (waiting_.size() > kMaxWaiting) waiting_.pop_front();
  }
  changed_.notify_all();
}

void ProgressReporter::finish() {
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool ProgressReporter::take(wire::ReportProgressRequest& request) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return finished_ || !waiting_.empty(); });
  if (waiting_.empty() || lease_.lost()) return false;
  request = std::move(waiting_.front());
  waiting_.pop_front();
  return true;
}

void ProgressReporter::put_back(wire::ReportProgressRequest request) {
  std::unique_lock lock(mutex_);
  if (is_phase(request) || waiting_.empty()) waiting_.push_front(std::move(request));
  changed_.wait_for(lock, kAgain, [this] { return finished_; });
}

void ProgressReporter::run() {
  wire::ReportProgressRequest request;
  while (take(request)) {
    auto answer = lease_.call(&Stub::ReportProgress, request);
    if (answer.ok()) continue;
    if (is_transient(answer.status())) {
      std::unique_lock lock(mutex_);
      if (finished_) return;
      lock.unlock();
      put_back(std::move(request));
    } else if (!lease_.lost()) {
      spdlog::warn("progress was refused: {}", answer.status().ToString());
    }
  }
}

}  // namespace espalier::server
