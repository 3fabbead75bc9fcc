#include "core/task/language_metrics.h"

#include <cmath>
#include <limits>

namespace espalier {

double perplexity(double negative_log_likelihood, int64_t tokens) {
  if (tokens <= 0) return std::numeric_limits<double>::quiet_NaN();
  return std::exp(negative_log_likelihood / static_cast<double>(tokens));
}

}  // namespace espalier
