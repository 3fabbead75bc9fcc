// How a layer is computed. Hidden states are opaque to walk, so that padding, packing, tiles and
// number formats are the backend's business alone.
#pragma once

#include <memory>

#include "core/model/gates.h"
#include "core/model/trace.h"

namespace espalier {

class HiddenState {
 public:
  virtual ~HiddenState() = default;
};
using Hidden = std::shared_ptr<const HiddenState>;

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const Model& model() const = 0;
  virtual Hidden embed(const Batch& batch, const LayerGates& gates) = 0;
  // One whole sub-layer with residual and norm. `maps` may be null; else its values are filled in.
  virtual Hidden attend(int layer, const Hidden& x, const LayerGates& gates,
                        AttentionMaps* maps) = 0;
  virtual Hidden feed(int layer, const Hidden& x, const LayerGates& gates) = 0;
  // attend() of which only each row's first token is wanted: rows of one token come out.
  virtual Hidden attend_firsts(int layer, const Hidden& x, const LayerGates& gates) = 0;
  // Each row's first token alone.
  virtual Hidden firsts(const Hidden& x) = 0;
  // The rows at `index` [b] int64, in that order.
  virtual Hidden take(const Hidden& x, const Tensor& index) = 0;
  // (1 - share) x layer + share x before, per row; share [B] in [0,1].
  virtual Hidden blend(const Hidden& layer, const Hidden& before, const Tensor& share) = 0;
  // What the heads read: the final norm of pre-norm models, else x itself.
  virtual Hidden finish(const Hidden& x, const LayerGates& gates) = 0;
  virtual Tensor cls(const Hidden& x) = 0;     // [B,D], each row's first token
  virtual Tensor mean(const Hidden& x) = 0;    // [B,D], over each row's tokens
  virtual Tensor tokens(const Hidden& x) = 0;  // [N,D] packed
};

}  // namespace espalier
