// Whose turn it is among those that share the engines' threads: start-time fair queueing (Goyal,
// Vin, Cheng 1996) over the time that each used. Time rather than tokens, because it is time that
// is shared, and a token costs every model something else, with early exits even every batch. Those
// that are busy get equal shares, whoever was idle goes next but has saved nothing up. Not
// thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "core/runtime/service_rate.h"

namespace espalier::runtime {

// Has something to compute now and then.
class WorkSource {
 public:
  struct Step {
    bool worked = false;  // then there may be more
    std::optional<TimePoint> wait_until;
    explicit operator bool() const { return worked; }
  };
  virtual ~WorkSource() = default;
  // Does a piece of its work, if there is any.
  virtual Step step() = 0;
};

class Turns {
 public:
  void add(WorkSource* source);
  void remove(WorkSource* source);
  // It may have work now.
  void wake(WorkSource* source);
  // Whose step comes now; null: nobody's. It runs until done(), at which `took` counts if it
  // worked.
  WorkSource* next(TimePoint now);
  void done(WorkSource* source, WorkSource::Step step, Duration took);

  bool running(WorkSource* source);
  bool empty() const { return turns_.empty(); }
  // When next() may have another answer without wake() or done().
  std::optional<TimePoint> wait_until() const;

 private:
  struct Turn {
    WorkSource* source = nullptr;
    Duration used{};  // its time so far; what it was idle counts as used
    bool ready = false, running = false;
    std::optional<TimePoint> wait_until;
  };
  Turn& of(WorkSource* source);

  std::vector<Turn> turns_;
  Duration used_{};  // of the last that was chosen, before its step
};

}  // namespace espalier::runtime
