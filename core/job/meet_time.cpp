#include "core/job/meet_time.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

// So much below what is wanted is near enough.
constexpr double kSlack = 0.02;
constexpr int kTries = 5;

bool is_met(const TimeTaken& time) { return time.taken <= time.wanted; }
double ratio(const TimeTaken& time) { return time.taken / time.wanted; }

// Whether `a` is the better one to publish.
bool better(const TimeTaken& a, const TimeTaken& b) {
  if (is_met(a) != is_met(b)) return is_met(a);
  return is_met(a) ? ratio(a) > ratio(b) : ratio(a) < ratio(b);
}

}  // namespace

Gates meet_time(Gates gates, const TimeSearch& search, std::vector<TimeTry>& tries) {
  Gates best = gates;
  TimeTaken of_best;
  for (int i = 0; i < kTries; ++i) {
    TimeTaken time = search.measure(gates);
    if (!is_met(time)) {
      const TimeTaken again = search.measure(gates);
      if (ratio(again) < ratio(time)) time = again;
    }
    const double expected = search.expect(gates);
    const bool same = !tries.empty() && tries.back().expected == expected;
    tries.push_back({expected, time});
    if (i == 0 || better(time, of_best)) {
      best = gates;
      of_best = time;
    }
    const bool near = ratio(time) >= 1 - kSlack;
    if (same || (is_met(time) && (near || !search.reopens))) break;
    // What the table says times what it is off by.
    std::optional<Gates> next = search.ask(expected / ratio(time));
    if (!next) break;
    gates = *std::move(next);
  }
  return best;
}

}  // namespace espalier
