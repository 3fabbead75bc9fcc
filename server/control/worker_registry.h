// Who works for us: workers heard of within the last minute. In memory only; after a restart they
// call again by themselves.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "espalier/worker/v1/worker.pb.h"
#include "server/control/clock.h"

namespace espalier::server {

class WorkerRegistry {
 public:
  explicit WorkerRegistry(const Clock& clock) : clock_(clock) {}

  void saw(const espalier::worker::v1::WorkerInfo& worker) {
    std::lock_guard lock(mutex_);
    workers_[worker.id()] = {worker, clock_.steady_ms()};
  }
  // A call that carries the id only.
  void saw(const std::string& id) {
    std::lock_guard lock(mutex_);
    if (auto it = workers_.find(id); it != workers_.end()) it->second.last_ms = clock_.steady_ms();
  }
  std::vector<espalier::worker::v1::WorkerInfo> alive() {
    std::lock_guard lock(mutex_);
    const int64_t oldest = clock_.steady_ms() - kAliveMs;
    std::erase_if(workers_, [&](const auto& entry) { return entry.second.last_ms < oldest; });
    std::vector<espalier::worker::v1::WorkerInfo> found;
    for (const auto& [id, entry] : workers_) found.push_back(entry.info);
    return found;
  }

 private:
  static constexpr int64_t kAliveMs = 60'000;
  struct Entry {
    espalier::worker::v1::WorkerInfo info;
    int64_t last_ms = 0;
  };
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Entry> workers_;
};

}  // namespace espalier::server
