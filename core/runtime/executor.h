// The threads that run engines, one for all models: each engine call uses all the cores it is given
// already, and threads of several would only get into each other's way. Models take turns, see
// turns.h.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/runtime/turns.h"

namespace espalier::runtime {

class Executor {
 public:
  // `calls` is how many sources may compute at a time, each on a thread of its own; a source never
  // runs twice at a time.
  explicit Executor(int calls = 1);
  ~Executor();  // every source was removed
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void add(WorkSource* source);
  // Returns when the source does not run and never will again. Not from its step().
  void remove(WorkSource* source);
  // It may have work now. Never blocks for long.
  void wake(WorkSource* source);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_, paused_;
  Turns turns_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace espalier::runtime
