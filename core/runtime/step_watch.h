// Seconds that the steps of a fused layer take on one thread, for who asks: the bench that says
// where an engine's time goes (tests/bench/engine).
#pragma once

#include <array>
#include <chrono>

namespace espalier::runtime {

// Norms stand before or behind the other steps of their half, as the model has them.
enum Step { kQueryKeyValue, kHeads, kOutput, kAttentionNorm, kUp, kDown, kFeedNorm, kSteps };
constexpr std::array<const char*, kSteps> kStepNames = {
    "qkv", "attention", "output", "attention norm", "up", "down", "feed norm"};

class StepWatch {
 public:
  void begin() { last_ = std::chrono::steady_clock::now(); }
  // What passed since the last call.
  void done(Step step) {
    const auto now = std::chrono::steady_clock::now();
    seconds[step] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  std::array<double, kSteps> seconds = {};

 private:
  std::chrono::steady_clock::time_point last_;
};

}  // namespace espalier::runtime
