#include "core/train/prefetch.h"

namespace espalier {

void Prefetch::start(int64_t step) {
  forget();
  begun_ = step;
  made_ = std::async(std::launch::async, [this, step] { return make_(step); });
}

std::vector<Batch> Prefetch::take(int64_t step) {
  if (made_.valid() && begun_ == step) return made_.get();
  forget();
  return make_(step);
}

void Prefetch::forget() {
  if (!made_.valid()) return;
  made_.wait();
  made_ = {};
}

}  // namespace espalier
