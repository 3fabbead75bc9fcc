#include "core/model/matmul_precision.h"

#include <ATen/core/grad_mode.h>
#include <ATen/cpu/Utils.h>
#include <c10/util/Exception.h>

namespace espalier {

MatmulPrecision::MatmulPrecision(Precision precision) : bf16_(precision == Precision::kBf16) {
  TORCH_CHECK(can_train(precision), "matrices of floats are not multiplied in ",
              precision_name(precision), "; known: ", trained_precisions());
}

Tensor MatmulPrecision::weight(const Tensor& w) const {
  if (!bf16_ || !w.defined()) return w;
  // What is computed from something (a mask, a gate) is another tensor each time.
  const bool parameter = w.requires_grad() || known_.contains(w.unsafeGetTensorImpl());
  if (!w.is_leaf() || !parameter) return operand(w);
  Cast& cast = casts_[w.unsafeGetTensorImpl()];
  if (!cast.to.defined() || cast.to.requires_grad() != w.requires_grad()) {
    at::AutoGradMode record(true);  // the first who asks may be a walk without gradients
    cast = {w, operand(w)};
  }
  return cast.to;
}

bool processor_has(const std::string& feature) {
  const auto features = at::cpu::get_cpu_capabilities();
  const auto found = features.find(feature);
  return found != features.end() && found->second.toBool();
}

bool multiplies_bf16(torch::Device device) {
  return !device.is_cpu() || processor_has("amx_bf16") || processor_has("avx512_bf16") ||
         processor_has("bf16");  // ARM's
}

}  // namespace espalier
