#include "core/runtime/batcher.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"

namespace espalier::runtime {
namespace {

// The smallest goes first.
int64_t rank(int priority) {
  return priority == 0 ? std::numeric_limits<int64_t>::max() : priority;
}

}  // namespace

Batcher::Batcher(Executor executor, const BatcherOptions& options, BatcherObserver* observer,
                 Clock clock)
    : executor_(std::move(executor)),
      options_(options),
      observer_(observer),
      clock_(std::move(clock)) {
  if (!options_.puppet) thread_ = std::thread([this] { run(); });
}

Batcher::~Batcher() {
  drain();
  if (thread_.joinable()) thread_.join();
}

absl::Status Batcher::submit(BatcherRequest request) {
  const int rows = static_cast<int>(request.rows.size());
  if (rows == 0) return absl::InvalidArgumentError("a request needs at least one row");
  if (rows > options_.max_queue_rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request has ", rows, " rows; the queue holds ", options_.max_queue_rows,
                     ", send fewer at a time"));
  }
  auto entry = std::make_shared<Entry>();
  for (const Row& row : request.rows) entry->tokens.push_back(row.input.tokens());
  entry->request = std::move(request);
  entry->submitted = clock_();
  {
    std::lock_guard lock(mutex_);
    if (draining_) {
      return absl::UnavailableError("the model is being unloaded and takes no new requests");
    }
    if (queued_rows_ + rows > options_.max_queue_rows) {
      return absl::UnavailableError(absl::StrCat("the queue is full (", queued_rows_, " of ",
                                                 options_.max_queue_rows,
                                                 " rows wait); try again later"));
    }
    const auto behind = std::upper_bound(
        queue_.begin(), queue_.end(), entry, [](const EntryPtr& one, const EntryPtr& other) {
          return rank(one->request.priority) < rank(other->request.priority);
        });
    queue_.insert(behind, std::move(entry));
    queued_rows_ += rows;
    if (observer_ != nullptr) observer_->queue_changed(rows);
  }
  changed_.notify_one();
  return absl::OkStatus();
}

bool Batcher::step() {
  Work work;
  {
    std::lock_guard lock(mutex_);
    work = take(clock_());
    if (work.empty()) return false;
  }
  perform(std::move(work));
  return true;
}

void Batcher::drain() {
  std::unique_lock lock(mutex_);
  draining_ = true;
  changed_.notify_one();
  if (options_.puppet) {
    lock.unlock();
    while (step()) {
    }
    return;
  }
  idle_.wait(lock, [&] { return queue_.empty() && !running_; });
}

int Batcher::queued_rows() const {
  std::lock_guard lock(mutex_);
  return queued_rows_;
}

bool Batcher::draining() const {
  std::lock_guard lock(mutex_);
  return draining_;
}

Batcher::Work Batcher::take(TimePoint now) {
  std::vector<Waiting> snapshot;
  snapshot.reserve(queue_.size());
  for (const EntryPtr& entry : queue_) {
    const auto& cancelled = entry->request.cancelled;
    snapshot.push_back({std::span(entry->tokens).subspan(entry->next), entry->request.deadline,
                        cancelled != nullptr && cancelled->load()});
  }
  // While draining nobody else comes, so nothing is worth waiting for.
  const Admission admission = admit(snapshot, draining_ ? Load{} : load_, options_.limits, now);

  Work work;
  work.wait_until = admission.wait_until;
  std::vector<bool> gone(queue_.size());
  int left = 0;
  const auto drop = [&](const std::vector<size_t>& requests, const absl::Status& status) {
    for (size_t i : requests) {
      work.dropped.emplace_back(queue_[i], status);
      gone[i] = true;
      left += static_cast<int>(snapshot[i].tokens.size());
    }
  };
  drop(admission.cancelled, absl::CancelledError("the caller cancelled the request"));
  drop(admission.expired,
       absl::DeadlineExceededError("the request's time ran out while it waited in the queue"));
  for (const Slice& slice : admission.batch) {
    work.pieces.push_back({queue_[slice.request], slice.rows});
    gone[slice.request] = slice.rows == static_cast<int>(snapshot[slice.request].tokens.size());
    left += slice.rows;
  }
  size_t i = 0;
  std::erase_if(queue_, [&](const EntryPtr&) { return gone[i++]; });
  queued_rows_ -= left;
  if (observer_ != nullptr && left > 0) observer_->queue_changed(-left);
  running_ = !work.empty();
  return work;
}

void Batcher::perform(Work work) {
  for (auto& [entry, status] : work.dropped) finish(*entry, std::move(status));
  if (!work.pieces.empty()) run_batch(std::move(work.pieces));
  std::lock_guard lock(mutex_);
  running_ = false;
  if (queue_.empty()) idle_.notify_all();
}

void Batcher::run_batch(std::vector<Piece> pieces) {
  std::vector<Row> rows;
  const TimePoint start = clock_();
  for (const Piece& piece : pieces) {
    Entry& entry = *piece.entry;
    if (entry.next == 0) entry.answer.queue = start - entry.submitted;
    const auto first = entry.request.rows.begin() + static_cast<std::ptrdiff_t>(entry.next);
    std::move(first, first + piece.rows, std::back_inserter(rows));
    entry.next += static_cast<size_t>(piece.rows);
  }
  absl::StatusOr<std::vector<Answer>> answers = execute(rows);
  const TimePoint end = clock_();
  {
    std::lock_guard lock(mutex_);
    load_ = {static_cast<int>(pieces.size()), end - start, end};
  }
  size_t first = 0;
  for (const Piece& piece : pieces) {
    const auto count = static_cast<size_t>(piece.rows);
    if (answers.ok()) {
      const auto from = answers->begin() + static_cast<std::ptrdiff_t>(first);
      deliver(piece,
              std::vector<Answer>(std::make_move_iterator(from),
                                  std::make_move_iterator(from + piece.rows)),
              end - start);
    } else if (pieces.size() == 1) {
      deliver(piece, answers.status(), end - start);
    } else {
      // One request's rows may be what the engine refused: the others deserve their answers.
      const TimePoint again = clock_();
      auto alone = execute(std::span(rows).subspan(first, count));
      deliver(piece, std::move(alone), clock_() - again);
    }
    first += count;
  }
}

absl::StatusOr<std::vector<Answer>> Batcher::execute(std::span<const Row> rows) {
  const TimePoint start = clock_();
  auto answers = guard("running a batch", [&] { return executor_(rows); });
  if (observer_ != nullptr) {
    const int64_t tokens =
        std::accumulate(rows.begin(), rows.end(), int64_t{0},
                        [](int64_t sum, const Row& row) { return sum + row.input.tokens(); });
    observer_->batch_ran(static_cast<int>(rows.size()), tokens, clock_() - start);
  }
  if (answers.ok() && answers->size() != rows.size()) {
    return absl::InternalError(
        absl::StrCat("the engine gave ", answers->size(), " answers for ", rows.size(), " rows"));
  }
  return answers;
}

void Batcher::deliver(const Piece& piece, absl::StatusOr<std::vector<Answer>> answers,
                      Duration compute) {
  Entry& entry = *piece.entry;
  if (!answers.ok()) {
    {
      std::lock_guard lock(mutex_);  // rows that still wait would be answered to nobody
      const auto place = std::find(queue_.begin(), queue_.end(), piece.entry);
      if (place != queue_.end()) {
        const int left = static_cast<int>(entry.tokens.size() - entry.next);
        queue_.erase(place);
        queued_rows_ -= left;
        if (observer_ != nullptr) observer_->queue_changed(-left);
      }
    }
    finish(entry, answers.status());
    return;
  }
  BatchedAnswer& answer = entry.answer;
  answer.compute += compute;
  std::move(answers->begin(), answers->end(), std::back_inserter(answer.answers));
  if (answer.answers.size() == entry.tokens.size()) finish(entry, std::move(answer));
}

void Batcher::finish(Entry& entry, absl::StatusOr<BatchedAnswer> result) {
  // A callback that throws is a bug of its owner; it must not take the other requests with it.
  (void)guard("delivering an answer", [&] { entry.request.done(std::move(result)); });
  entry.request.done = nullptr;  // frees what it captured now, not when the queue lets go
}

void Batcher::run() {
  // For `top -H` and the load bench: the engine's other threads are started by this one and take
  // its name, so what an engine costs can be told from what its server costs.
  pthread_setname_np(pthread_self(), "engine");
  std::unique_lock lock(mutex_);
  while (true) {
    if (queue_.empty()) {
      if (draining_) return;
      changed_.wait(lock);
      continue;
    }
    Work work = take(clock_());
    if (work.empty()) {
      changed_.wait_for(lock, *work.wait_until - clock_());
      continue;
    }
    lock.unlock();
    perform(std::move(work));
    lock.lock();
  }
}

}  // namespace espalier::runtime
