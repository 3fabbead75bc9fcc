// Turns concurrent requests into batches: a bounded queue, whose batches run on the executor that
// all models share, answers by callback. A request's rows may be spread over several batches, with
// others' between them (admission.h says who goes first); its answer comes when the last row has
// run. No torch in this target.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/runtime/admission.h"
#include "core/runtime/engine.h"
#include "core/runtime/executor.h"

namespace espalier::runtime {

using EngineCall = std::function<absl::StatusOr<std::vector<Answer>>(std::span<const Row>)>;
using Clock = std::function<TimePoint()>;

struct BatcherOptions {
  BatchLimits limits;
  int max_queue_rows = 8192;  // waiting; what would exceed it is refused
};

// Told what happens; called by the threads that submit and by the one that runs the batches.
class BatcherObserver {
 public:
  virtual ~BatcherObserver() = default;
  // Rows that entered (positive) or left (negative) the queue.
  virtual void queue_changed(int rows) {}
  // A batch that was handed to the engine, successfully or not.
  virtual void batch_ran(int rows, int64_t tokens, Duration compute) {}
};

struct BatchedAnswer {
  std::vector<Answer> answers;  // one a row, in order
  Duration queue{};             // from submission to the start of the first batch
  Duration compute{};           // of the batches that held its rows
};

struct BatcherRequest {
  std::vector<Row> rows;  // at least one; checked by the caller, so that no batch fails for them
  TimePoint deadline = TimePoint::max();
  int priority = 0;  // see place_in_queue()
  // May be null. Set it to true to have the rows dropped that have not run.
  std::shared_ptr<const std::atomic<bool>> cancelled;
  // Called exactly once if submit() returned OK, on the executor's thread; must be quick and must
  // not own the batcher. CANCELLED or DEADLINE_EXCEEDED when it was dropped, RESOURCE_EXHAUSTED
  // when the batcher's own memory ran out, else the engine's status.
  std::function<void(absl::StatusOr<BatchedAnswer>)> done;
};

class Batcher final : public WorkSource {
 public:
  // Without an executor it is a puppet: the owner calls step(). Executor and observer, which may be
  // null too, outlive the batcher. A clock of one's own is for puppets.
  Batcher(EngineCall engine, const BatcherOptions& options, Executor* executor,
          BatcherObserver* observer = nullptr, Clock clock = &std::chrono::steady_clock::now);
  ~Batcher() override;  // drains

  // UNAVAILABLE when the queue is full, the wait too long or the batcher drains; `done` is not
  // called then.
  absl::Status submit(BatcherRequest request);
  // Why submit() would refuse a small request just now: so that a server under overload spends
  // nothing on reading what it cannot answer.
  absl::Status check(int priority, TimePoint deadline) const;

  // Drops what is to be dropped and runs at most one batch on this thread.
  Step step() override;

  // Refuses new requests, finishes those that wait, then returns. Idempotent. Not from `done`.
  void drain();

  int queued_rows() const;
  bool draining() const;

 private:
  struct Entry {
    BatcherRequest request;
    std::vector<int> tokens;  // of each row
    size_t next = 0;          // first row that has not been taken
    TimePoint submitted, place;
    Share share;  // its part of shares_
    BatchedAnswer answer;

    std::span<const int> left() const { return std::span(tokens).subspan(next); }
  };
  using EntryPtr = std::shared_ptr<Entry>;
  struct Piece {
    EntryPtr entry;
    size_t first;
    int rows;
  };
  struct Work {
    std::vector<Piece> pieces;
    std::vector<std::pair<EntryPtr, absl::Status>> dropped;
    int64_t tokens = 0;         // of the pieces
    TimePoint waiting_since{};  // when they could have run, but for other models
    std::optional<TimePoint> wait_until;
    bool empty() const { return pieces.empty() && dropped.empty(); }
  };

  // With mutex_ held.
  absl::Status check(const Entry& entry, TimePoint now) const;
  Ahead ahead_of(TimePoint place) const;
  void queue_changed(Entry& entry, int rows);
  Work take(TimePoint now);  // what throws has changed nothing
  Work drop_first(const absl::Status& status);
  void go_behind(const EntryPtr& entry, TimePoint now);  // if it still waits
  int64_t leave(Entry& entry, size_t rows);  // the next rows of an entry; gives their tokens

  // Without it.
  void perform(Work work);
  void run_batch(const Work& work);
  absl::StatusOr<std::vector<Answer>> execute(std::span<const Row> rows);
  void deliver(const Piece& piece, absl::StatusOr<std::vector<Answer>> answers, Duration compute);
  void fail(const EntryPtr& entry, const absl::Status& status);
  void finish(Entry& entry, absl::StatusOr<BatchedAnswer> result);

  const EngineCall engine_;
  const BatcherOptions options_;
  Executor* const executor_;
  BatcherObserver* const observer_;
  const Clock clock_;

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::deque<EntryPtr> queue_;  // by place
  int queued_rows_ = 0;
  Share shares_;  // the first batches of all that wait: what a newcomer finds before it
  TimePoint waiting_since_{};             // when the queue was last empty
  bool running_ = false;                  // between take() and the last callback of its batch
  std::optional<TimePoint> batch_until_;  // about; of the batch that runs
  bool draining_ = false;
  Load load_;
};

}  // namespace espalier::runtime
