// Batchers under traffic, without threads: a clock that jumps from event to event, engines that
// take what a cost says. The batchers are the real ones, and take the real turns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/runtime/batcher.h"

namespace espalier::testing {

using runtime::Duration;
using runtime::TimePoint;

struct SimulatedRequest {
  std::vector<int> tokens;  // of each row
  int priority = 0;
  Duration timeout{};       // zero: none
  Duration cancel_after{};  // zero: never
  size_t model = 0;
};

// What became of one.
struct SimulatedOutcome {
  TimePoint asked, answered;
  absl::StatusCode code = absl::StatusCode::kOk;
  bool accepted = false;
  int calls = 0;        // of done()
  bool rows_ok = true;  // every answer belongs to its row
};

class BatcherSimulation {
 public:
  using Cost = std::function<Duration(int64_t tokens)>;
  // What one batch held: index of the request and of its row.
  struct Batch {
    size_t model = 0;
    int64_t tokens = 0;
    TimePoint start, end;
    std::vector<std::pair<size_t, int>> rows;
  };
  using Then = std::function<void(const SimulatedOutcome&)>;

  size_t add_model(const runtime::BatcherOptions& options, Cost cost) {
    const size_t model = batchers_.size();
    batchers_.push_back(std::make_unique<runtime::Batcher>(
        [this, model, cost = std::move(cost)](std::span<const runtime::Row> rows) {
          return predict(model, cost, rows);
        },
        options, nullptr, nullptr, [this] { return now_; }));
    turns_.add(batchers_.back().get());
    return model;
  }

  TimePoint now() const { return now_; }
  runtime::Batcher& batcher(size_t model) { return *batchers_[model]; }
  void at(TimePoint time, std::function<void()> event) { events_.emplace(time, std::move(event)); }

  // Asks now; `then` is called with the outcome, which may be at once.
  void ask(const SimulatedRequest& request, Then then = nullptr) {
    const size_t id = outcomes.size();
    outcomes.push_back({.asked = now_});
    runtime::BatcherRequest asked = request_of(request, id);
    asked.done = [this, id, then](const absl::StatusOr<runtime::BatchedAnswer>& answer) {
      SimulatedOutcome& outcome = outcomes[id];
      ++outcome.calls;
      for (size_t row = 0; answer.ok() && row < answer->answers.size(); ++row) {
        const runtime::Answer& each = answer->answers[row];
        const bool mine = each.label == static_cast<int>(id);
        outcome.rows_ok = outcome.rows_ok && mine && each.exit_layer == static_cast<int>(row);
      }
      ended(id, answer.status(), then);
    };
    runtime::Batcher* batcher = batchers_[request.model].get();
    const absl::Status status = batcher->submit(std::move(asked));
    outcomes[id].accepted = status.ok();
    if (!status.ok()) return ended(id, status, then);
    turns_.wake(batcher);
  }

  // Until nothing is left to happen.
  void run() {
    while (true) {
      if (runtime::WorkSource* source = turns_.next(now_)) {
        const TimePoint start = now_;
        const auto step = source->step();
        turns_.done(source, step, now_ - start);
        continue;
      }
      const std::optional<TimePoint> wait = turns_.wait_until();
      if (events_.empty() && !wait.has_value()) return;
      TimePoint next = wait.value_or(TimePoint::max());
      if (!events_.empty()) next = std::min(next, events_.begin()->first);
      pass_to(std::max(now_, next));
    }
  }

  std::vector<SimulatedOutcome> outcomes;
  std::vector<Batch> batches;

 private:
  // Its rows carry in their knobs whose they are, see predict().
  runtime::BatcherRequest request_of(const SimulatedRequest& request, size_t id) {
    runtime::BatcherRequest result;
    for (size_t row = 0; row < request.tokens.size(); ++row) {
      result.rows.emplace_back();
      result.rows.back().input.ids.resize(static_cast<size_t>(request.tokens[row]));
      result.rows.back().max_exit_layer = static_cast<int>(id);
      result.rows.back().exit_threshold = static_cast<double>(row);
    }
    result.priority = request.priority;
    if (request.timeout > Duration::zero()) result.deadline = now_ + request.timeout;
    if (request.cancel_after > Duration::zero()) {
      auto cancelled = std::make_shared<std::atomic<bool>>(false);
      result.cancelled = cancelled;
      at(now_ + request.cancel_after, [cancelled] { *cancelled = true; });
    }
    return result;
  }

  void ended(size_t id, const absl::Status& status, const Then& then) {
    outcomes[id].code = status.code();
    outcomes[id].answered = now_;
    if (then) then(SimulatedOutcome(outcomes[id]));
  }

  absl::StatusOr<std::vector<runtime::Answer>> predict(size_t model, const Cost& cost,
                                                       std::span<const runtime::Row> rows) {
    Batch batch{.model = model, .start = now_};
    std::vector<runtime::Answer> answers;
    for (const runtime::Row& row : rows) {
      const int index = static_cast<int>(row.exit_threshold);
      batch.tokens += row.input.tokens();
      batch.rows.emplace_back(static_cast<size_t>(row.max_exit_layer), index);
      answers.emplace_back();
      answers.back().label = row.max_exit_layer;
      answers.back().exit_layer = index;
    }
    pass_to(now_ + cost(batch.tokens));
    batch.end = now_;
    batches.push_back(std::move(batch));
    return answers;
  }

  // What happens until then happens, also while an engine computes.
  void pass_to(TimePoint time) {
    while (!events_.empty() && events_.begin()->first <= time) {
      const auto event = events_.extract(events_.begin());
      now_ = std::max(now_, event.key());
      event.mapped()();
    }
    now_ = time;
  }

  TimePoint now_ = TimePoint{} + std::chrono::hours(1);
  std::multimap<TimePoint, std::function<void()>> events_;
  runtime::Turns turns_;
  std::vector<std::unique_ptr<runtime::Batcher>> batchers_;
};

}  // namespace espalier::testing
