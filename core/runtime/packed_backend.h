// The backend of serving: no grad, no padding, no gates. All rows' tokens lie one after the other,
// and every linear layer is one matrix product over them; only attention knows where a row ends.
//
// This is the plain form, on LibTorch's kernels, for any device and number format; fused_backend.h
// computes faster on a CPU, and integers at all. Reference: core/model/train_backend.h
// computes the same by another route, and golden logits compare the two whenever an artifact is
// loaded.
#pragma once

#include "core/model/rows_backend.h"

namespace espalier::runtime {

// In what this machine computes the products of weights that are stored so: bf16 in fp32 where
// the processor does not multiply bf16, which would be emulated, and slower than what it is to
// save.
Precision products_of(Precision stored, torch::Device device);

// Weights in the layout that the backend wants. Immutable, shared by replicas.
//
// `products` is in what the layers' linear layers multiply. fp32: what comes. bf16: both operands
// and the result are rounded to bf16 (model/matmul_precision.h). int8: the inputs of each token are
// rounded to 8 bits as kernels/panel_linear8.h has them and multiplied in fp32: with weights that
// were rounded, the same up to fp32's own rounding, and no faster. All else is fp32.
struct Plan {
  Model model;
  std::vector<Linear> query_key_value;  // by layer, see below
  Precision products = Precision::kFp32;
};
Plan make_plan(Model model, Precision products = Precision::kFp32);
// q, k and v in one matrix; undefined where there is no attention, or one of them is factored.
Linear joined_query_key_value(const Layer& layer);

class PackedBackend : public RowsBackend {
 public:
  // `plan` must outlive the backend.
  explicit PackedBackend(const Plan& plan) : plan_(plan), half_(Precision::kBf16) {}
  const Model& model() const override { return plan_.model; }
  Hidden embed(const Batch& batch, const LayerGates& gates) override;
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, AttentionMaps* maps) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;
  Hidden finish(const Hidden& x, const LayerGates& gates) override;

 protected:
  // A program that serves passes no gates; what was gated has been folded.
  static void check_no_gates(const LayerGates& gates);

 private:
  // What a sub-layer reads of the stream x, and the stream after it wrote y.
  Tensor read(const Tensor& x, const Norm& norm) const;
  Tensor write(const Tensor& x, const Tensor& y, const Norm& norm) const;
  // x [N,K] -> [N, outputs], in the plan's precision.
  Tensor product(const Linear& linear, const Tensor& x) const;

  const Plan& plan_;
  MatmulPrecision half_;
};

}  // namespace espalier::runtime
