// Optimal brain surgeon on groups of inputs of one linear layer, y = W x: which input is missed
// least, and what the others' weights must become to stand in for it.
//
//   W [D,n], H [n,n] = sum x x^T over rows, S the columns of one group.  In turn, the group with
//     the least  tr(W_S (H^-1_SS)^-1 W_S^T)        leaves,
//     W    <- W    - W_S    (H^-1_SS)^-1 H^-1_S:   is what the others become,
//     H^-1 <- H^-1 - H^-1_:S (H^-1_SS)^-1 H^-1_S:  knows it no more
//
// (ZipLM's algorithm 1: Kurtic, Frantar & Alistarh 2023, arXiv 2302.04089; single weights: Hassibi
// & Stork 1993.) One at a time, because two inputs that say the same cost nothing each, but
// together they do. Every W on the way is the least-squares solution for the columns that are left,
// so any of them is computed again from W, H and the order by compensated().
//
// With H^-1_SS = L L^T the updates are those of a Cholesky decomposition of H^-1 with that order of
// pivots: V = L^-1 H^-1_S:, C = W_S L^-T, then W - C V and H^-1 - V^T V; the error is |C|^2. For
// groups of one a number of them wait, and go into the matrices in one product; what a step needs
// of the present state (the diagonal, the columns' norms, one row) is kept up to date apart.
//
// All in float64 on the CPU: n removals downdate the inverse of a matrix that is seldom well
// conditioned.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace espalier {

using torch::Tensor;

// H + damp x mean(diag H) x I; where all is 0, I.
Tensor damped(const Tensor& products, double damp);

struct Removal {
  std::vector<int64_t> order;  // of groups, the first one to leave first
  // [groups + 1]: once so many have left, tr((W - W') H (W - W')^T).
  std::vector<double> error;
};
// Groups are `group` columns next to each other. `products` is positive definite.
Removal remove_one_by_one(const Tensor& weight, const Tensor& products, int64_t group);

// The W' with nothing but these columns (`kept`, int64) that is nearest to W: the least of
// tr((W - W') H (W - W')^T). [D,n], others are 0.
Tensor compensated(const Tensor& weight, const Tensor& products, const Tensor& kept);

}  // namespace espalier
