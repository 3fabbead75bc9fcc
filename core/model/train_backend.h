// The backend of training: autograd, packed tokens, gates anywhere.
//
// Every linear layer, norm and dropout works on [N,D], the tokens that are there: of a random batch
// of SST-2 two thirds of the padded grid would be padding. Attention runs over ragged rows in one
// kernel (float32 on the CPU); where maps are recorded, and elsewhere, it is composed of LibTorch's
// operators over a padded grid, which is also what the kernel is checked against.
//
// The products of the layers are computed in fp32 or bf16 (matmul_precision.h); embeddings and
// heads multiply little and stay fp32. With checkpointing, backward computes each sub-layer a
// second time instead of keeping its inner states (recompute.h); recorded hidden states and
// attention maps are outputs of sub-layers, so whoever reads them sees no difference. Backend,
// model and gates must then live and stay as they are until backward.
#pragma once

#include <functional>

#include "core/kernels/ragged_attention.h"
#include "core/model/recompute.h"
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
  // Layers that the model gets later are multiplied likewise, but cast in each walk if they are
  // frozen.
  void set_precision(Precision precision);
  void set_checkpointing(bool checkpointing) { checkpointing_ = checkpointing; }
  // Called with the rows [N, inputs] that a layer's `output` or, of the FFN, `down` multiplies, the
  // gates of its heads or neurons applied: statistics for methods that walk without gradients. With
  // checkpointing a backward pass shows them again.
  using Watch = std::function<void(int layer, bool ffn, const Tensor& inputs)>;
  void watch(Watch watch) { watch_ = std::move(watch); }
  // To be called before the first walk after weights have moved.
  void weights_moved() { precision_.forget_weights(); }

  const Model& model() const override { return model_; }
  Hidden embed(const Batch& batch, const LayerGates& gates) override;
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, AttentionMaps* maps) override;
  Hidden attend_firsts(int layer, const Hidden& x, const LayerGates& gates) override;
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override;

 private:
  // The two sub-layers on [N,D]. `bias` is kept_bias(); maps and queries as in attend_rows().
  Tensor attended(int layer, const Tensor& x, const TokenRows& rows, const Tensor& bias,
                  const LayerGates& gates, AttentionMaps* maps, Queries queries) const;
  // The same, kept or to be recomputed: the states and, if they are wanted, the maps.
  std::vector<Tensor> attend_once(int layer, const PackedRows& in, const LayerGates& gates,
                                  RecordAttention maps, Queries queries) const;
  Tensor fed(int layer, const Tensor& x, const LayerGates& gates) const;
  Tensor query_key_value(int layer, const Tensor& x, const LayerGates& gates) const;
  // part(x), kept or to be recomputed.
  std::vector<Tensor> run(const Part& part, const Tensor& x,
                          const std::vector<Tensor>& reads) const;
  Tensor drop(const Tensor& x) const;
  Tensor normed(const Tensor& x, const Norm& norm, const LayerGates& gates) const;
  // What a sub-layer reads of the stream x, and the stream after it wrote y through its gate: the
  // norm stands before (pre-norm) or behind.
  Tensor read(const Tensor& x, const Norm& norm, const LayerGates& gates) const;
  Tensor write(const Tensor& x, const Tensor& y, const Tensor& gate, const Norm& norm,
               const LayerGates& gates) const;

  const Model& model_;
  double hidden_dropout_, attention_dropout_, head_dropout_;
  MatmulPrecision precision_;
  bool training_ = false, checkpointing_ = false;
  Watch watch_;  // may be empty
};

}  // namespace espalier
