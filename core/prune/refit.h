// Least squares once gates are closed: each sub-layer's output matrix is solved again, so that the
// units that are left bring the stream as near as they can to where a reference model has it.
//
//   min over V, b:  sum over rows |V x + b - t|^2 + damp x mean(diag) x |V - W|^2,
//   x: inputs of the open units in the gated model,  t = (r* + y*) - r
//
// with r the stream that enters the sub-layer, r* and y* the reference's stream and output. From
// the first sub-layer up, each behind those that were solved before it: so x and r have the errors
// that are really there, and a sub-layer makes up for what those below it lost, also where one is
// gone altogether. That is K-prune's form (Park, Choi & Kang, ICLR 2024, arXiv 2308.03449).
// ZipLM's, which takes x and W of the reference, knows of no error but its own, and says nothing of
// a model whose other weights were trained after the reference was copied. Where we differ from
// K-prune: the bias takes part, what is solved for is a change that is damped towards none, first
// tokens weigh more in the last layer where nothing else is read (token_weights()), and the
// equations are solved in float64.
//
// The norms behind the sub-layers and the reference's are taken to be alike: it is sums before a
// norm that are compared. A model that was trained far from the reference (CoFi's student after
// epochs of its own) is pulled back to it, which need not help: compare before it is kept.
#pragma once

#include <span>

#include "core/model/batch.h"
#include "core/model/gates.h"

namespace espalier {

// Changes `output` and `down` of the sub-layers that act, weights and biases, in place. `gates`:
// of `model`, sealed or not, soft or not; closed units keep their columns, closed hidden dimensions
// their rows. `reference` has the hidden size of `model`, and every sub-layer that acts in it. No
// dropout, fp32. Throws StatusError (INVALID_ARGUMENT) where a matrix is two factors or has single
// weights masked, whose zeros would be lost, or where the reference does not fit.
void refit_outputs(Model& model, const Gates& gates, const Model& reference,
                   std::span<const Batch> batches, double damp = 1e-3);

}  // namespace espalier
