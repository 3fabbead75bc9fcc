#include "core/train/adamw.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "core/kernels/adam_rows.h"

namespace espalier {

AdamW::AdamW(std::vector<OptimiserGroup> groups, const Betas& betas)
    : Optimiser(std::move(groups), betas, "adamw", "square", /*counts_on_host=*/false) {}

void AdamW::update(const Lists& lists, double learning_rate, double weight_decay,
                   const Tensor& divisor) {
  // The fused kernel divides as it reads, but by a float only.
  const bool fits = divisor.defined() && divisor.scalar_type() == at::kFloat;
  if (divisor.defined() && !fits) at::_foreach_div_(lists.grads, divisor);
  at::_fused_adamw_(lists.parameters, lists.grads, lists.means, lists.sizes,
                    /*max_exp_avg_sqs=*/{}, lists.counts, learning_rate, betas_.mean, betas_.size,
                    weight_decay, betas_.eps,
                    /*amsgrad=*/false, /*maximize=*/false,
                    fits ? std::optional<Tensor>(divisor) : std::nullopt);
}

bool AdamW::update_rows(const Rows& rows, double learning_rate, double weight_decay,
                        const Tensor& divisor) {
  const Tensor& p = rows.parameter;
  const bool fits = kernels::adam_rows_are_fast() && p.is_cpu() && p.scalar_type() == at::kFloat &&
                    p.dim() == 2 && p.is_contiguous() &&
                    (!divisor.defined() || divisor.scalar_type() == at::kFloat);
  if (!fits) return false;
  const int64_t count = p.size(0), width = p.size(1);
  if (rows.moving.empty()) {
    const Tensor any = rows.mean.ne(0).logical_or_(rows.size.ne(0)).any(1);
    rows.moving.assign(any.const_data_ptr<bool>(), any.const_data_ptr<bool>() + count);
  }
  std::vector<const float*> grads(static_cast<size_t>(count), nullptr);
  const auto* index = rows.index.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.index.size(0); ++i) {
    grads[static_cast<size_t>(index[i])] = rows.values.const_data_ptr<float>() + i * width;
    rows.moving[static_cast<size_t>(index[i])] = 1;
  }

  const double t = rows.count.item<double>();
  const kernels::AdamStep step = {
      .keep = static_cast<float>(1 - learning_rate * weight_decay),
      .mean_share = static_cast<float>(1 - betas_.mean),
      .size_keep = static_cast<float>(betas_.size),
      .size_share = static_cast<float>(1 - betas_.size),
      .rate = static_cast<float>(learning_rate / (1 - std::pow(betas_.mean, t))),
      .root = static_cast<float>(std::sqrt(1 - std::pow(betas_.size, t))),
      .eps = static_cast<float>(betas_.eps),
      .divisor = divisor.defined() ? divisor.item<float>() : 1.0F};
  auto *weight = p.mutable_data_ptr<float>(), *mean = rows.mean.mutable_data_ptr<float>(),
       *size = rows.size.mutable_data_ptr<float>();
  constexpr int64_t kRowsAtOnce = 256;
  at::parallel_for(0, count, kRowsAtOnce, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const auto row = static_cast<size_t>(r);
      if (rows.moving[row] != 0) {
        kernels::adam_row(weight + r * width, mean + r * width, size + r * width, grads[row], width,
                          step);
      } else if (step.keep != 1) {
        kernels::scale_row(weight + r * width, width, step.keep);
      }
    }
  });
  return true;
}

}  // namespace espalier
