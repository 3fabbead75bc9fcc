#include "core/job/timing.h"

#include <algorithm>
#include <chrono>

namespace espalier {

std::vector<double> medians_in_turns(const std::vector<std::function<void()>>& acts,
                                     const TurnLimits& limits) {
  using Clock = std::chrono::steady_clock;
  constexpr int kUntimed = 2, kLeast = 5;
  std::vector<std::vector<double>> times(acts.size());
  double spent = 0;
  for (int pass = -kUntimed; pass < limits.most; ++pass) {
    if (pass >= kLeast && spent > limits.milliseconds) break;
    for (size_t i = 0; i < acts.size(); ++i) {
      const auto start = Clock::now();
      acts[i]();
      const std::chrono::duration<double, std::milli> took = Clock::now() - start;
      if (pass < 0) continue;
      times[i].push_back(took.count());
      spent += took.count();
    }
  }
  std::vector<double> out;
  for (auto& each : times) {
    std::sort(each.begin(), each.end());
    out.push_back(each[each.size() / 2]);
  }
  return out;
}

}  // namespace espalier
