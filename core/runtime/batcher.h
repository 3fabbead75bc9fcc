// Turns concurrent requests into batches: a bounded queue, one thread that drives the engine,
// answers by callback. A request's rows may be spread over several batches; its answer comes when
// the last row has run. No torch in this target.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/runtime/admission.h"
#include "core/runtime/engine.h"

namespace espalier::runtime {

using Executor = std::function<absl::StatusOr<std::vector<Answer>>(std::span<const Row>)>;
using Clock = std::function<TimePoint()>;

struct BatcherOptions {
  BatchLimits limits;
  int max_queue_rows = 8192;  // waiting; what would exceed it is refused
  // Puppet: no thread; tests call step().
  bool puppet = false;
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
  int priority = 0;  // 1 before 2 and so on; 0 is behind them all. FIFO among equals
  // May be null. Set it to true to have the rows dropped that have not run.
  std::shared_ptr<const std::atomic<bool>> cancelled;
  // Called exactly once if submit() returned OK, on the batcher's thread; must be quick and must
  // not own the batcher. CANCELLED or DEADLINE_EXCEEDED when it was dropped, else the engine's
  // status.
  std::function<void(absl::StatusOr<BatchedAnswer>)> done;
};

class Batcher {
 public:
  // `observer` may be null, else it outlives the batcher.
  Batcher(Executor executor, const BatcherOptions& options, BatcherObserver* observer = nullptr,
          Clock clock = &std::chrono::steady_clock::now);
  ~Batcher();  // drains

  // UNAVAILABLE when the queue is full or the batcher drains; `done` is not called then.
  absl::Status submit(BatcherRequest request);

  // Puppet mode: drops what is to be dropped and runs at most one batch on this thread. False when
  // there was nothing to do.
  bool step();

  // Refuses new requests, finishes those that wait, then returns. Idempotent. Not from `done`.
  void drain();

  int queued_rows() const;
  bool draining() const;

 private:
  struct Entry {
    BatcherRequest request;
    std::vector<int> tokens;  // of each row
    size_t next = 0;          // first row that has not been taken
    TimePoint submitted;
    BatchedAnswer answer;
  };
  using EntryPtr = std::shared_ptr<Entry>;
  struct Piece {
    EntryPtr entry;
    int rows;
  };
  struct Work {
    std::vector<Piece> pieces;
    std::vector<std::pair<EntryPtr, absl::Status>> dropped;
    std::optional<TimePoint> wait_until;
    bool empty() const { return pieces.empty() && dropped.empty(); }
  };

  Work take(TimePoint now);  // with mutex_ held
  void perform(Work work);   // without it
  void run_batch(std::vector<Piece> pieces);
  absl::StatusOr<std::vector<Answer>> execute(std::span<const Row> rows);
  void deliver(const Piece& piece, absl::StatusOr<std::vector<Answer>> answers, Duration compute);
  void finish(Entry& entry, absl::StatusOr<BatchedAnswer> result);
  void run();

  const Executor executor_;
  const BatcherOptions options_;
  BatcherObserver* const observer_;
  const Clock clock_;

  mutable std::mutex mutex_;
  std::condition_variable changed_, idle_;
  std::deque<EntryPtr> queue_;
  int queued_rows_ = 0;
  bool running_ = false;  // between take() and the last callback of its batch
  bool draining_ = false;
  Load load_;
  std::thread thread_;
};

}  // namespace espalier::runtime
