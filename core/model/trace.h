// What a walk leaves behind, and what it was asked to keep.
#pragma once

#include <vector>

#include "core/model/batch.h"

namespace espalier {

// kScores: products of queries and keys as softmax gets them, scaled and with relative biases.
enum class RecordAttention { kNone, kScores, kProbabilities };

// One layer's [B,h,T,T], zero where a query or key is padding.
struct AttentionMaps {
  RecordAttention kind = RecordAttention::kNone;
  Tensor values;
};

// Fused attention stays the rule: maps are made only when somebody asks.
struct Record {
  bool hidden = false;
  bool exits = false;  // run every exit head, though nobody leaves (training, calibration)
  RecordAttention attention = RecordAttention::kNone;
  Record operator|(const Record& other) const {
    Record out = *this;
    out.hidden = hidden || other.hidden;
    out.exits = exits || other.exits;
    if (other.attention == RecordAttention::kNone) return out;
    TORCH_CHECK(attention == RecordAttention::kNone || attention == other.attention,
                "one method reads attention scores and another one probabilities");
    out.attention = other.attention;
    return out;
  }
};

struct Trace {
  Tensor embedding;                 // [N,D] packed
  std::vector<Tensor> hidden;       // L x [N,D], each layer's output
  std::vector<Tensor> attention;    // L x AttentionMaps::values; undefined where a layer has none
  std::vector<Tensor> exit_logits;  // one for each of config.heads, [B,C]
  // Of the task head, or of the exit that a row took: [B,C]; of heads that read every token [N,C]
  // or, masked language models, [n,V] for the tokens of Batch::asked.
  Tensor logits;
  Tensor sentence_logits;  // [B,2] of a masked language model that follows sentences
  Tensor exit_layer;       // [B] int64, 1-based
};

}  // namespace espalier
