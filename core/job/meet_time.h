// Bringing a pruner to a time that only the folded model itself tells.
#pragma once

#include <functional>
#include <optional>

#include "core/model/gates.h"

namespace espalier {

// What a model folded by some gates takes, and what it was to take. A speed-up is wanted over a
// dense model that is timed beside it, so that the second may differ from try to try.
struct TimeTaken {
  double taken = 0, wanted = 0;  // milliseconds
};

struct TimeTry {
  double expected = 0;  // by the table
  TimeTaken time;
};

// The parts that are asked; functions, so that no clock is needed to see what becomes of them.
struct TimeSearch {
  std::function<TimeTaken(const Gates&)> measure;
  std::function<double(const Gates&)> expect;  // by the table, milliseconds
  // Gates for which the table says so many milliseconds; none where the pruner cannot give them.
  std::function<std::optional<Gates>(double milliseconds)> ask;
  bool reopens = false;  // whether it can give more time back
};

// A table's times are near. While the folded model is off, the pruner is asked again for what the
// table should have said, a few times at most; of the gates that were tried those are returned that
// take the longest time within what is wanted, else the fastest. A time that misses is taken twice
// before anything is done about it, and the shorter one counts: others may have computed.
Gates meet_time(Gates first, const TimeSearch& search, std::vector<TimeTry>& tries);

}  // namespace espalier
