// An exit method's whole answer: pure decisions at four seams of one loop, walk. Nothing in a
// policy changes during a batch, and rows of one batch come from requests with different knobs;
// what a policy must remember of a row or token lies in RowState, which walk gathers with the rows
// that stay.
#pragma once

#include <map>
#include <string>

#include "core/model/batch.h"

namespace espalier {

using TensorMap = std::map<std::string, Tensor>;

struct Knobs {
  Tensor threshold;  // [B] float, the method's own meaning
  Tensor max_layer;  // [B] int64, 1-based; walk enforces it
};

struct RowState {
  TensorMap row;    // [B, ...]
  TensorMap token;  // [N, ...]
  Knobs knobs;
};

// What a policy sees after a layer.
struct LayerView {
  int layer = 0;  // 0-based
  int layers = 0;
  Tensor cls;     // [B,D], the rows' first token
  Tensor logits;  // [B,C] of the exit head at this layer; undefined where there is none
};

// Per token: what becomes of it after attention. Undefined fate: nothing changes.
struct TokenPlan {
  enum Fate : int8_t { kActive = 0, kFrozen = 1, kGone = 2 };
  Tensor fate;    // [N] int8: frozen from the next layer on (keys and values only), gone at once
  Tensor weight;  // [N] float: a row's gone tokens live on as one, the sum of weight x token
};

struct Leave {
  Tensor go;          // [B] bool
  Tensor logits;      // [B,C]; may differ from the head's
  Tensor confidence;  // [B] in [0,1]
};

class ExitPolicy {
 public:
  virtual ~ExitPolicy() = default;
  // Before the first layer: hash tokens to layers, set counters.
  virtual RowState start(const Batch& batch, const Knobs& knobs) const {
    RowState state;
    state.knobs = knobs;
    return state;
  }
  // Share of the layer to skip, [B] in [0,1]; undefined: none. A row that skips has no exit there.
  virtual Tensor skip(const LayerView&, RowState&) const { return {}; }
  // Between attention and FFN; undefined fate: nothing changes.
  virtual TokenPlan tokens(const LayerView&, RowState&) const { return {}; }
  // After the FFN of a layer with an exit head, never of the last layer.
  virtual Leave leave(const LayerView& view, RowState& state) const = 0;
};

}  // namespace espalier
