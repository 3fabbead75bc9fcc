// The splits of a data set, and the order in which training sees them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/example_pool.h"
#include "core/data/splits.h"
#include "core/model/batch.h"
#include "core/spec/dataset_spec.h"
#include "core/task/examples.h"
#include "core/task/task.h"

namespace espalier {

// Row i as a task reads it; views of `rows`.
Sample sample_of(const Rows& rows, int64_t i);

// Reads and encodes every split; `spec` must have its label names, see inspect_dataset(). A split
// that the data set has no file for is carved from train (carve.h): a tenth each for select,
// calibrate and report. INVALID_ARGUMENT when a label is missing (see Splits) or nothing is left of
// a split. What is large goes to disk, see LargeBytes; throws as that does where there is no room.
absl::StatusOr<Splits> load_splits(const DatasetSpec& spec, const Task& task,
                                   const Reading& reading);

// A packed batch of these inputs; labels (see Batch) undefined when `with_labels` is false.
Batch make_batch(const Examples& examples, std::span<const int64_t> inputs,
                 bool with_labels = true);
// Their redrawn forms: see Task::redraw(). `seed` is the step's.
Batch make_drawn_batch(const ExamplePool& examples, std::span<const int64_t> inputs,
                       const Task& task, const Reading& reading, uint64_t seed);

// The batches of one epoch. Rows are shuffled, cut into windows of some batches, sorted by length
// inside a window (so that a batch wastes little padding; a window of 1 leaves batches as they are
// drawn) and the batches shuffled again: a function of (seed, phase, epoch) alone, so a resumed run
// needs no sampler state. Every batch is full; the rest of the rows waits for another epoch, or is
// dealt out when there are fewer rows than one batch.
class Sampler {
 public:
  static constexpr int kWindow = 32;
  Sampler(const ExamplePool& examples, int batch_size, uint64_t seed, std::string phase,
          int window = kWindow);
  int64_t batches_per_epoch() const { return batches_; }
  int64_t batch_size() const { return batch_size_; }  // of every batch
  // Rows of the batch at a global step, shuffled lengths and all.
  std::vector<int64_t> rows(int64_t step);

 private:
  void shuffle(int64_t epoch);

  ExamplePool examples_;
  int64_t batch_size_, batches_, window_;
  uint64_t seed_;
  std::string phase_;
  int64_t epoch_ = -1;
  std::vector<std::vector<int64_t>> order_;
};

// Rows of an evaluation: all of them, longest first, cut by a token budget.
std::vector<std::vector<int64_t>> evaluation_batches(const Examples& examples,
                                                     int64_t token_budget);

}  // namespace espalier
