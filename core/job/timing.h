// Times of things that take turns, so that drift hits all of them.
#pragma once

#include <functional>
#include <vector>

namespace espalier {

struct TurnLimits {
  int most = 40;  // passes
  double milliseconds =
      0;  // of all together, where the least number of passes does not take longer
};

// Median milliseconds of each: a few passes that warm up, then at least five.
std::vector<double> medians_in_turns(const std::vector<std::function<void()>>& acts,
                                     const TurnLimits& limits);

}  // namespace espalier
