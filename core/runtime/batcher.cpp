#include "core/runtime/batcher.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"

namespace espalier::runtime {
namespace {

int64_t sum(std::span<const int> tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), int64_t{0});
}

// For upper_bound().
constexpr auto kEarlier = [](TimePoint place, const auto& entry) { return place < entry->place; };

}  // namespace

Batcher::Batcher(EngineCall engine, const BatcherOptions& options, Executor* executor,
                 BatcherObserver* observer, Clock clock)
    : engine_(std::move(engine)),
      options_(options),
      executor_(executor),
      observer_(observer),
      clock_(std::move(clock)) {
  if (executor_ != nullptr) executor_->add(this);
}

Batcher::~Batcher() {
  drain();
  if (executor_ != nullptr) executor_->remove(this);
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
  entry->place = place_in_queue(entry->submitted, entry->request.priority);
  {
    std::lock_guard lock(mutex_);
    ESPALIER_RETURN_IF_ERROR(check(*entry, entry->submitted));
    if (queue_.empty()) waiting_since_ = entry->submitted;
    const auto behind = std::upper_bound(queue_.begin(), queue_.end(), entry->place, kEarlier);
    queue_.insert(behind, entry);  // may throw: nothing is counted yet
    queue_changed(*entry, rows);
  }
  if (executor_ != nullptr) executor_->wake(this);
  return absl::OkStatus();
}

absl::Status Batcher::check(int priority, TimePoint deadline) const {
  Entry entry;
  entry.tokens = {0};
  entry.request.deadline = deadline;
  const TimePoint now = clock_();
  entry.place = place_in_queue(now, priority);
  std::lock_guard lock(mutex_);
  return check(entry, now);
}

absl::Status Batcher::check(const Entry& entry, TimePoint now) const {
  if (draining_) {
    return absl::UnavailableError("the model is being unloaded and takes no new requests");
  }
  if (queued_rows_ + static_cast<int>(entry.tokens.size()) > options_.max_queue_rows) {
    return absl::UnavailableError(absl::StrCat("the queue is full (", queued_rows_, " of ",
                                               options_.max_queue_rows,
                                               " rows wait); try again later"));
  }
  return check_wait(ahead_of(entry.place), sum(entry.tokens), entry.request.deadline, load_,
                    options_.limits, now);
}

Ahead Batcher::ahead_of(TimePoint place) const {
  Share ahead = shares_;
  for (auto entry = queue_.rbegin(); entry != queue_.rend() && (*entry)->place > place; ++entry) {
    ahead -= (*entry)->share;
  }
  return {ahead.rows, ahead.tokens, batch_until_};
}

void Batcher::queue_changed(Entry& entry, int rows) {
  queued_rows_ += rows;
  shares_ -= entry.share;
  entry.share = first_batch(entry.left(), load_, options_.limits);
  shares_ += entry.share;
  if (observer_ != nullptr && rows != 0) observer_->queue_changed(rows);
}

Batcher::Step Batcher::step() {
  Work work;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) return {};
    const absl::Status taken = guard("making a batch", [&] { work = take(clock_()); });
    if (!taken.ok()) work = drop_first(taken);
    if (work.empty()) return {false, work.wait_until};
  }
  perform(std::move(work));
  return {true, {}};
}

void Batcher::drain() {
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
  }
  if (executor_ == nullptr) {
    while (step()) {
    }
    return;
  }
  executor_->wake(this);
  std::unique_lock lock(mutex_);
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
    snapshot.push_back(
        {entry->left(), entry->request.deadline, cancelled != nullptr && cancelled->load()});
  }
  // While draining nobody else comes, so nothing is worth waiting for.
  if (draining_) load_.requests = 0;
  const Admission admission = admit(snapshot, load_, options_.limits, now);
  if (admission.tried || (!admission.late.empty() && !load_.late_since)) load_.late_since = now;

  Work work;
  work.wait_until = admission.wait_until;
  work.waiting_since = std::max(load_.end, waiting_since_);
  const auto drop = [&](const std::vector<size_t>& requests, const absl::Status& status) {
    for (size_t i : requests) work.dropped.emplace_back(queue_[i], status);
  };
  drop(admission.cancelled, absl::CancelledError("the caller cancelled the request"));
  drop(admission.expired,
       absl::DeadlineExceededError("the request's time ran out while it waited in the queue"));
  drop(admission.late, absl::DeadlineExceededError(
                           "the request waited, and could not be ready by its deadline any more"));
  for (const Slice& slice : admission.batch) {
    const EntryPtr& entry = queue_[slice.request];
    work.pieces.push_back({entry, entry->next, slice.rows});
  }
  // Nothing throws from here on: what leaves the queue is in `work`.
  for (const auto& [entry, status] : work.dropped) leave(*entry, entry->left().size());
  int64_t last = 0;
  for (const Piece& piece : work.pieces) {
    last = leave(*piece.entry, static_cast<size_t>(piece.rows));
    work.tokens += last;
  }
  std::erase_if(queue_, [](const EntryPtr& entry) { return entry->left().empty(); });
  running_ = !work.empty();
  if (work.pieces.empty()) return work;
  batch_until_ = now + load_.rate.compute(work.tokens);
  // Only the last can have rows left. It keeps its place where the others left it the smaller part
  // of the batch: behind a queue that happens to end a row before a batch does, it would otherwise
  // get on by one row a turn.
  if (2 * last >= work.tokens) go_behind(work.pieces.back().entry, *batch_until_);
  return work;
}

// Where no batch can be made, one after the other pays for it: nobody waits in vain.
Batcher::Work Batcher::drop_first(const absl::Status& status) {
  const EntryPtr first = queue_.front();
  Work work;
  work.dropped.emplace_back(first, status);
  leave(*first, first->left().size());
  queue_.pop_front();
  running_ = true;
  return work;
}

void Batcher::go_behind(const EntryPtr& entry, TimePoint now) {
  const auto from = std::find(queue_.begin(), queue_.end(), entry);
  if (from == queue_.end()) return;
  entry->place = std::max(entry->place, place_in_queue(now, entry->request.priority));
  std::rotate(from, from + 1, std::upper_bound(from + 1, queue_.end(), entry->place, kEarlier));
}

int64_t Batcher::leave(Entry& entry, size_t rows) {
  const int64_t tokens = sum(entry.left().first(rows));
  entry.next += rows;
  queue_changed(entry, -static_cast<int>(rows));
  return tokens;
}

void Batcher::perform(Work work) {
  for (auto& [entry, status] : work.dropped) finish(*entry, std::move(status));
  const absl::Status ran = guard("running a batch", [&] { run_batch(work); });
  if (!ran.ok()) {
    for (const Piece& piece : work.pieces) fail(piece.entry, ran);
  }
  std::lock_guard lock(mutex_);
  running_ = false;
  if (queue_.empty()) idle_.notify_all();
}

void Batcher::run_batch(const Work& work) {
  const std::vector<Piece>& pieces = work.pieces;
  if (pieces.empty()) return;
  std::vector<Row> rows;
  const TimePoint start = clock_();
  for (const Piece& piece : pieces) {
    Entry& entry = *piece.entry;
    if (piece.first == 0) entry.answer.queue = start - entry.submitted;
    const auto first = entry.request.rows.begin() + static_cast<std::ptrdiff_t>(piece.first);
    std::move(first, first + piece.rows, std::back_inserter(rows));
  }
  absl::StatusOr<std::vector<Answer>> answers = execute(rows);
  const TimePoint end = clock_();
  {
    std::lock_guard lock(mutex_);
    batch_until_.reset();  // who asks again while others get their answers finds nobody before him
    load_.requests = static_cast<int>(pieces.size());
    load_.end = end;
    // What failed says nothing about what it costs to answer.
    if (answers.ok()) load_.rate.learn(work.tokens, end - start, end - work.waiting_since);
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
  auto answers = guard("running a batch", [&] { return engine_(rows); });
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
  if (!answers.ok()) return fail(piece.entry, answers.status());
  BatchedAnswer& answer = entry.answer;
  answer.compute += compute;
  std::move(answers->begin(), answers->end(), std::back_inserter(answer.answers));
  if (answer.answers.size() == entry.tokens.size()) finish(entry, std::move(answer));
}

void Batcher::fail(const EntryPtr& entry, const absl::Status& status) {
  {
    std::lock_guard lock(mutex_);  // rows that still wait would be answered to nobody
    const auto place = std::find(queue_.begin(), queue_.end(), entry);
    if (place != queue_.end()) {
      leave(*entry, entry->left().size());
      queue_.erase(place);
    }
  }
  finish(*entry, status);
}

void Batcher::finish(Entry& entry, absl::StatusOr<BatchedAnswer> result) {
  if (entry.request.done == nullptr) return;  // in a batch that failed only later
  // A callback that throws is a bug of its owner; it must not take the other requests with it.
  (void)guard("delivering an answer", [&] { entry.request.done(std::move(result)); });
  entry.request.done = nullptr;  // frees what it captured now, not when the queue lets go
}

}  // namespace espalier::runtime
