// The only loop over layers in the program: training, evaluation and serving all run it.
//
//   x = embed(batch); state = policy.start(batch, knobs)
//   for each layer i:
//     s   = policy.skip          rows blend the layer's output with its input
//     y   = attend(i, x)         absent sub-layer or gate exactly 0: y = x, norm included
//     raw = feed(i, y)
//     out = policy.leave(view)   exit heads read raw; rows that go are answered and leave: x, state
//     and
//                                row numbers are compacted together
//     x   = blend(raw, x, s)
// Where a head reads the rows' first tokens and nobody reads the others, the last layer goes on
// with those from its attention on: the others' gradients would be zeros.
//
// Between attend and feed stands policy.tokens (tokens that freeze or fuse): a backend that can do
// it is part of the early-exit issue, and until then walk refuses a policy that asks for it.
//
// Serving waits for the device once an exit check (which rows stay), training never.
#pragma once

#include "core/model/backend.h"
#include "core/model/exit_policy.h"

namespace espalier {

struct WalkOptions {
  const ExitPolicy* policy = nullptr;  // null: nobody leaves or skips
  Knobs knobs;                         // needed with a policy
  Record record;
  double head_dropout = 0;  // of the task head and the exit heads
};

class Walk {
 public:
  // Everything passed must outlive the walk. `gates` are sealed, or empty.
  Walk(Backend& backend, const Batch& batch, const Gates& gates, const WalkOptions& options);
  // Runs one layer; false when none is left to run or every row has left.
  bool layer();
  // Answers the rows that are left with the task head and hands over the trace.
  Trace finish();

 private:
  void answer(const Tensor& position, const Tensor& logits, int64_t layer);
  void leave(const LayerView& view, const Tensor& share);
  Tensor head(const Hidden& last);
  bool reads_firsts_alone() const;

  Backend& backend_;
  const Model& model_;
  const Gates& gates_;
  const WalkOptions& options_;
  int next_ = 0;
  int64_t rows_;       // of the whole batch
  Tensor asked_;       // Batch::asked
  bool done_ = false;  // every row has left
  Hidden x_;
  RowState state_;
  Tensor row_;  // [b] original number of the rows that are still here
  Trace trace_;
};

// All layers at once.
Trace walk(Backend& backend, const Batch& batch, const Gates& gates = {},
           const WalkOptions& options = {});

}  // namespace espalier
