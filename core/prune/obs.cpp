#include "core/prune/obs.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier {
namespace {

// Removals of single columns that wait. The products that catch up are large enough, and what a
// step reads of those that wait is small beside W.
constexpr int64_t kWaiting = 64;
constexpr double kNever = std::numeric_limits<double>::infinity();

class Remover {
 public:
  Remover(const Tensor& weight, const Tensor& products, int64_t group)
      : group_(group), weight_(weight.to(at::kCPU, at::kDouble).contiguous()) {
    const Tensor h = products.to(at::kCPU, at::kDouble);
    inverse_ = at::cholesky_inverse(at::linalg_cholesky(h)).contiguous();
    least_ = 1 / h.trace().item<double>();
    for (int64_t i = 0; i < h.size(0) / group; ++i) ids_.push_back(i);
    restart();
  }

  Removal run() {
    Removal out;
    out.error = {0};
    for (auto left = static_cast<int64_t>(ids_.size()); left > 0; --left) {
      const double error = group_ == 1 ? remove_column() : remove_group();
      out.order.push_back(ids_[last_]);
      out.error.push_back(out.error.back() + std::max(error, 0.0));
      if (used_ == v_.size(0) && left > 1) catch_up();
    }
    return out;
  }

 private:
  // Nothing waits.
  void restart() {
    const int64_t columns = inverse_.size(0);
    gone_.assign(ids_.size(), false);
    used_ = 0;
    v_ = at::zeros({group_ == 1 ? kWaiting : group_, columns}, at::kDouble);
    c_ = at::zeros({v_.size(0), weight_.size(0)}, at::kDouble);
    if (group_ > 1) return;
    diagonal_ = inverse_.diagonal().clone();
    norms_ = weight_.square().sum(0);
    closed_ = at::zeros({columns}, at::kBool);
  }

  // What waits goes into the matrices, which lose the columns that left.
  void catch_up() {
    std::vector<int64_t> groups, left;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (gone_[i]) continue;
      groups.push_back(static_cast<int64_t>(i));
      left.push_back(ids_[i]);
    }
    const Tensor columns =
        (torch::tensor(groups, at::kLong).unsqueeze(1) * group_ + at::arange(group_)).flatten();
    const Tensor v = v_.narrow(0, 0, used_).index_select(1, columns);
    inverse_ = inverse_.index_select(0, columns).index_select(1, columns).addmm_(v.t(), v, 1, -1);
    weight_ = weight_.index_select(1, columns).addmm_(c_.narrow(0, 0, used_).t(), v, 1, -1);
    ids_ = std::move(left);
    restart();
  }

  double remove_column() {
    const Tensor scores = (norms_ / diagonal_).masked_fill(closed_, kNever);
    const int64_t j = scores.argmin().item<int64_t>();
    const Tensor v = v_.narrow(0, 0, used_), c = c_.narrow(0, 0, used_);
    const Tensor waiting = v.select(1, j);
    Tensor row = inverse_[j] - at::mv(v.t(), waiting);
    const double pivot = std::sqrt(std::max(row[j].item<double>(), least_));
    row = (row / pivot).masked_fill_(closed_, 0);
    const Tensor column = (weight_.select(1, j) - at::mv(c.t(), waiting)) / pivot;
    const double error = column.square().sum().item<double>();
    const Tensor along = at::mv(weight_.t(), column) - at::mv(v.t(), at::mv(c, column));
    norms_ = (norms_ + row * (row * error - 2 * along)).clamp_min_(0);
    diagonal_ = (diagonal_ - row.square()).clamp_min_(least_);
    take(j, row.unsqueeze(0), column.unsqueeze(0));
    closed_[j] = true;
    return error;
  }

  // With nothing waiting.
  double remove_group() {
    const auto groups = static_cast<int64_t>(ids_.size());
    const Tensor blocks = inverse_.view({groups, group_, groups, group_})
                              .diagonal(0, 0, 2)
                              .permute({2, 0, 1})
                              .contiguous();
    const Tensor lower = at::linalg_cholesky(blocks);
    const Tensor own = weight_.view({-1, groups, group_}).permute({1, 2, 0});  // W_S^T of each
    const Tensor c = at::linalg_solve_triangular(lower, own, /*upper=*/false);
    const Tensor scores = c.square().sum({1, 2});
    const int64_t j = scores.argmin().item<int64_t>();
    const Tensor rows = inverse_.narrow(0, j * group_, group_);
    take(j, at::linalg_solve_triangular(lower[j], rows, /*upper=*/false), c[j]);
    return scores[j].item<double>();
  }

  void take(int64_t place, const Tensor& v, const Tensor& c) {
    v_.narrow(0, used_, group_).copy_(v);
    c_.narrow(0, used_, group_).copy_(c);
    used_ += group_;
    gone_[place] = true;
    last_ = place;
  }

  int64_t group_, used_ = 0, last_ = 0;
  double least_;  // 1 / trace(H): no diagonal entry of an inverse is less, but by rounding
  std::vector<int64_t> ids_;  // groups that the matrices still have, in their order
  std::vector<bool> gone_;    // which of them have left since
  Tensor weight_, inverse_;   // [D,n], [n,n], without what waits
  Tensor v_, c_;              // what waits, `used_` rows of V [.,n] and of C^T [.,D]
  Tensor diagonal_, norms_;   // [n], of the present state: groups of one
  Tensor closed_;             // [n]
};

}  // namespace

Tensor damped(const Tensor& products, double damp) {
  const double mean = products.diagonal().mean().item<double>();
  Tensor out = products.clone();
  out.diagonal().add_(mean > 0 ? damp * mean : 1);
  return out;
}

Removal remove_one_by_one(const Tensor& weight, const Tensor& products, int64_t group) {
  torch::NoGradGuard no_grad;
  TORCH_CHECK(weight.dim() == 2 && products.dim() == 2 && products.size(0) == products.size(1) &&
                  weight.size(1) == products.size(0) && weight.size(1) % group == 0,
              "groups of ", group, " columns of a weight ", weight.sizes(), " with products ",
              products.sizes());
  return Remover(weight, products, group).run();
}

Tensor compensated(const Tensor& weight, const Tensor& products, const Tensor& kept) {
  torch::NoGradGuard no_grad;
  const Tensor w = weight.to(at::kCPU, at::kDouble), h = products.to(at::kCPU, at::kDouble);
  Tensor out = at::zeros_like(w);
  if (kept.size(0) == 0) return out;
  const Tensor rows = h.index_select(0, kept);
  const Tensor lower = at::linalg_cholesky(rows.index_select(1, kept));
  const Tensor solved = at::cholesky_solve(at::matmul(rows, w.t()), lower);
  return out.index_copy_(1, kept, solved.t());
}

}  // namespace espalier
