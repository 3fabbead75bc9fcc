// The backend of training: autograd, packed tokens, gates anywhere.
//
// Every linear layer, norm and dropout works on [N,D], the tokens that are there: of a random batch
// of SST-2 two thirds of the padded grid would be padding. Attention runs over ragged rows in one
// kernel (float32 on the CPU); where maps are recorded, and elsewhere, it is composed of LibTorch's
// operators over a padded grid, which is also what the kernel is checked against.
#pragma once

#include "core/model/rows_backend.h"

namespace espalier {

class TrainBackend : public RowsBackend {
 public:
  // `model` must outlive the backend. With dropout < 0 the model's own probabilities are used when
  // set_training(true); evaluation never drops.
  explicit TrainBackend(const Model& model, double dropout = -1);
  void set_training(bool training) { training_ = training; }
  bool training() const { return training_; }
  double head_dropout() const { return training_ ? head_dropout_ : 0; }

  const Model& model() const override { return model_; }
  Hidden embed(const Batch& batch, const LayerGates& gates) override;
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, Tensor* attention) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;

 private:
  Tensor drop(const Tensor& x) const;
  Tensor normed(const Tensor& x, const Norm& norm, const LayerGates& gates) const;
  // What a sub-layer reads of the stream x, and the stream after it wrote y through its gate: the
  // norm stands before (pre-norm) or behind.
  Tensor read(const Tensor& x, const Norm& norm, const LayerGates& gates) const;
  Tensor write(const Tensor& x, const Tensor& y, const Tensor& gate, const Norm& norm,
               const LayerGates& gates) const;

  const Model& model_;
  double hidden_dropout_, attention_dropout_, head_dropout_;
  bool training_ = false;
};

}  // namespace espalier
