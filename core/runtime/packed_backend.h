// The backend of serving: no grad, no padding, no gates. All rows' tokens lie one after the other,
// and every linear layer is one matrix product over them; only attention knows where a row ends.
//
// This is the plain form, on LibTorch's kernels, for any device and number format; fused_backend.h
// computes what it can faster. Reference: core/model/train_backend.h computes the same by another
// route, and golden logits compare the two whenever an artifact is loaded.
#pragma once

#include "core/model/rows_backend.h"

namespace espalier::runtime {

// Weights in the layout that the backend wants. Immutable, shared by replicas.
struct Plan {
  Model model;
  std::vector<Linear> query_key_value;  // by layer, see below
};
Plan make_plan(Model model);
// q, k and v in one matrix; undefined where there is no attention, or one of them is factored.
Linear joined_query_key_value(const Layer& layer);

class PackedBackend : public RowsBackend {
 public:
  // `plan` must outlive the backend.
  explicit PackedBackend(const Plan& plan) : plan_(plan) {}
  const Model& model() const override { return plan_.model; }
  Hidden embed(const Batch& batch, const LayerGates& gates) override;
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, Tensor* attention) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;
  Hidden finish(const Hidden& x, const LayerGates& gates) override;

 protected:
  // A program that serves passes no gates; what was gated has been folded.
  static void check_no_gates(const LayerGates& gates);

 private:
  // What a sub-layer reads of the stream x, and the stream after it wrote y.
  Tensor read(const Tensor& x, const Norm& norm) const;
  Tensor write(const Tensor& x, const Tensor& y, const Norm& norm) const;

  const Plan& plan_;
};

}  // namespace espalier::runtime
