// Where an answer that may come on another thread is waited for; a second one breaks a promise.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "tests/fuzz/fuzz_target.h"

namespace espalier::fuzz {

// Shared with the callback, so that an answer that comes too often finds it still there.
template <class Answer>
class Inbox {
 public:
  void put(Answer answer) {
    std::lock_guard lock(mutex_);
    promise(!answer_.has_value(), "a request is answered once");
    answer_ = std::move(answer);
    came_.notify_all();
  }

  Answer wait() {
    std::unique_lock lock(mutex_);
    const bool came =
        came_.wait_for(lock, std::chrono::seconds(30), [this] { return answer_.has_value(); });
    promise(came, "a request is answered within 30 seconds");
    return *answer_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<Answer> answer_;
};

}  // namespace espalier::fuzz
