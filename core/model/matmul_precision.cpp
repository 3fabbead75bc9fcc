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

bool multiplies_bf16(torch::Device device) {
  if (!device.is_cpu()) return true;
  const auto features = at::cpu::get_cpu_capabilities();
  for (const char* name : {"amx_bf16", "avx512_bf16", "bf16"}) {  // the last is ARM's
    auto found = features.find(name);
    if (found != features.end() && found->second.toBool()) return true;
  }
  return false;
}

}  // namespace espalier
