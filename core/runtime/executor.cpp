#include "core/runtime/executor.h"

#include <pthread.h>

namespace espalier::runtime {

Executor::Executor(int calls) {
  for (int i = 0; i < calls; ++i) threads_.emplace_back([this] { run(); });
}

Executor::~Executor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Executor::add(WorkSource* source) {
  std::lock_guard lock(mutex_);
  turns_.add(source);
}

void Executor::remove(WorkSource* source) {
  std::unique_lock lock(mutex_);
  paused_.wait(lock, [&] { return !turns_.running(source); });
  turns_.remove(source);
}

void Executor::wake(WorkSource* source) {
  {
    std::lock_guard lock(mutex_);
    turns_.wake(source);
  }
  changed_.notify_one();
}

void Executor::run() {
  // For `top -H` and the load bench: the threads of the engine's products are started by this one
  // and take its name, so what an engine costs can be told from what its server costs.
  pthread_setname_np(pthread_self(), "engine");
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  while (true) {
    const TimePoint start = Clock::now();
    if (WorkSource* source = turns_.next(start)) {
      // It may have been the one that slept until then: another keeps the time.
      if (turns_.wait_until().has_value()) changed_.notify_one();
      lock.unlock();
      const WorkSource::Step step = source->step();
      lock.lock();
      turns_.done(source, step, Clock::now() - start);
      paused_.notify_all();
    } else if (stopping_) {
      return;
    } else if (const auto until = turns_.wait_until()) {
      changed_.wait_until(lock, *until);
    } else {
      changed_.wait(lock);
    }
  }
}

}  // namespace espalier::runtime
