// In what number format a backend multiplies matrices: the one seam for its linear layers, the
// fused feed-forward and, on other devices than the CPU, attention's products (attention.h).
//
// bf16 (Micikevicius et al., arXiv 1710.03740, with bfloat16, whose range is fp32's, so that no
// loss is scaled): both operands of a product are rounded to 8 bits of significand, the kernel sums
// in fp32 (oneDNN's on the CPU, cuBLAS' on CUDA), its result is rounded and goes on in the format
// that came in. Everything between products stays fp32: the residual stream, norms, softmax, gates,
// dropout, heads, losses; so do the weights, and their gradients arrive in fp32.
//
// Why this is not at::autocast: that knows LibTorch's operators and not our functions, would hand
// bf16 to dropout and attention kernels that read fp32, and is a state of the thread, which an
// evaluation or another backend in the same thread would inherit.
#pragma once

#include <torch/types.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "core/spec/precision.h"

namespace espalier {

using torch::Tensor;

class MatmulPrecision {
 public:
  MatmulPrecision() = default;  // fp32: whatever comes is multiplied as it is
  // fp32 or bf16: an engine's products of integers are not this seam's.
  explicit MatmulPrecision(Precision precision);

  // x in the format of a product's operands.
  Tensor operand(const Tensor& x) const { return bf16_ ? x.to(at::kBFloat16) : x; }
  // Likewise a weight or bias; undefined stays undefined. A parameter that is trained, or that
  // know() was told of, is cast once for all walks until forget_weights(). Who moves weights must
  // call that: an optimiser's fused update leaves no trace (the tensor's version) that could be
  // seen here.
  Tensor weight(const Tensor& w) const;
  void forget_weights() { casts_.clear(); }
  // A model's own parameter. Frozen ones, a teacher's, look like what was computed without
  // gradients, and the cast of that is not kept.
  void know(const Tensor& parameter) { known_.insert(parameter.unsafeGetTensorImpl()); }

 private:
  struct Cast {
    Tensor from, to;  // `from` keeps the address below its own
  };
  bool bf16_ = false;
  std::unordered_set<const c10::TensorImpl*> known_;
  mutable std::unordered_map<const c10::TensorImpl*, Cast> casts_;
};

// By the name that at::cpu has for it, as "amx_bf16".
bool processor_has(const std::string& feature);
// Whether the machine multiplies bf16 in hardware. Where it does not, LibTorch emulates it: the
// same sums, slower than fp32.
bool multiplies_bf16(torch::Device device);

}  // namespace espalier
