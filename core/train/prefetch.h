// Makes the micro-batches of the next step on another thread while a step runs. They are a function
// of the step, so nobody can tell who made them.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <vector>

#include "core/model/batch.h"

namespace espalier {

class Prefetch {
 public:
  using Make = std::function<std::vector<Batch>(int64_t step)>;
  // `make` is called by one thread at a time. What it reads must outlive this object, and must not
  // change between start() and the next take() or forget().
  explicit Prefetch(Make make) : make_(std::move(make)) {}
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  // Waits for what was begun.
  ~Prefetch() { forget(); }

  // Begins to make the batches of `step` and returns at once. What was begun before is dropped.
  void start(int64_t step);
  // The batches of `step`: those that were begun, or made here and now. Throws what `make` threw.
  std::vector<Batch> take(int64_t step);
  // Waits for what was begun and drops it.
  void forget();

 private:
  Make make_;
  int64_t begun_ = 0;  // while made_ is valid
  std::future<std::vector<Batch>> made_;
};

}  // namespace espalier
