// Metrics of language modelling.
#pragma once

#include <cstdint>

namespace espalier {

// exp of the mean negative log-likelihood (natural logarithm) of the predicted tokens; a masked
// model predicts the masked ones only. Infinity where that overflows, NaN without tokens.
double perplexity(double negative_log_likelihood, int64_t tokens);

}  // namespace espalier
