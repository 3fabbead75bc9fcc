#include "core/runtime/turns.h"

#include <algorithm>

namespace espalier::runtime {

void Turns::add(WorkSource* source) { turns_.push_back({source, used_}); }

void Turns::remove(WorkSource* source) {
  std::erase_if(turns_, [&](const Turn& turn) { return turn.source == source; });
}

Turns::Turn& Turns::of(WorkSource* source) {
  return *std::find_if(turns_.begin(), turns_.end(),
                       [&](const Turn& turn) { return turn.source == source; });
}

void Turns::wake(WorkSource* source) {
  Turn& turn = of(source);
  const bool idle = !turn.ready && !turn.running && !turn.wait_until.has_value();
  if (idle) turn.used = std::max(turn.used, used_);
  turn.ready = true;
}

WorkSource* Turns::next(TimePoint now) {
  Turn* first = nullptr;
  for (Turn& turn : turns_) {
    const bool may = turn.ready || (turn.wait_until.has_value() && *turn.wait_until <= now);
    if (turn.running || !may) continue;
    if (first == nullptr || turn.used < first->used) first = &turn;
  }
  if (first == nullptr) return nullptr;
  used_ = std::max(used_, first->used);
  first->running = true;
  first->ready = false;
  first->wait_until.reset();
  return first->source;
}

void Turns::done(WorkSource* source, WorkSource::Step step, Duration took) {
  Turn& turn = of(source);
  turn.running = false;
  if (step.worked) {
    turn.used += took;
    turn.ready = true;
  } else {
    turn.wait_until = step.wait_until;
  }
}

bool Turns::running(WorkSource* source) { return of(source).running; }

std::optional<TimePoint> Turns::wait_until() const {
  std::optional<TimePoint> first;
  for (const Turn& turn : turns_) {
    if (turn.running || !turn.wait_until.has_value()) continue;
    first = std::min(first.value_or(TimePoint::max()), *turn.wait_until);
  }
  return first;
}

}  // namespace espalier::runtime
