// The trainer weighs a method's loss of a micro-batch by its share of the step's answers, since
// most losses are means over those. A loss that is a mean over something else (tokens, rows)
// multiplies by its share of those over that one, and a step in parts then adds up to the whole
// step.
#pragma once

#include "core/method/method.h"

namespace espalier {

// (count of this micro-batch / count of the step) / (its share of the answers).
inline double share_over_answers(const Pass& pass, int64_t (Batch::*count)() const) {
  int64_t counted = 0, answers = 0;
  for (const Batch& batch : pass.step.micro) {
    counted += (batch.*count)();
    answers += batch.answers();
  }
  const int64_t own = pass.batch.answers();
  if (own == 0 || counted == 0) return 0;  // the trainer gives this micro-batch no weight
  return static_cast<double>((pass.batch.*count)()) / static_cast<double>(counted) *
         (static_cast<double>(answers) / static_cast<double>(own));
}
// For means over all tokens, or over all rows.
inline double token_share(const Pass& pass) { return share_over_answers(pass, &Batch::tokens); }
inline double row_share(const Pass& pass) { return share_over_answers(pass, &Batch::rows); }

}  // namespace espalier
