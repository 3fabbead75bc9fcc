#include "server/common/errands.h"

#include <utility>

namespace espalier::server {

Errands::Errands(size_t most_waiting) : most_waiting_(most_waiting) {
  thread_ = std::thread([this] { work(); });
}

Errands::~Errands() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::Status Errands::run(std::function<void()> errand) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= most_waiting_) {
      return absl::UnavailableError(
          "too many calls that take long wait already; try again when one has ended");
    }
    waiting_.push_back(std::move(errand));
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void Errands::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::function<void()> errand = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    errand();
    lock.lock();
  }
}

}  // namespace espalier::server
