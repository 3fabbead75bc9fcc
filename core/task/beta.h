// The regularised incomplete beta function, which holds the tails of the binomial distribution.
#pragma once

namespace espalier {

// I_x(a, b) for a, b > 0 and x in [0, 1]; relative error about 1e-13, growing
// to 1e-8 where a + b is a million (log-gamma cancels).
// Continued fraction (DLMF 8.17.22) by Lentz's method.
double incomplete_beta(double a, double b, double x);

}  // namespace espalier
