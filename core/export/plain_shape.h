// Whether a plain `transformers` model can compute what an artifact computes, and in which shape.
//
// transformers' layers are all of one size, and none lacks a sub-layer. Heads and neurons that are
// gone become zeros: they add nothing. A missing sub-layer of a pre-norm model (ViT) adds zeros
// too; behind one of a post-norm model (BERT) stands a norm that would change what passes, so there
// the sub-layers that are left are dealt out anew, attention and FFN in turns, and what leaves a
// gap is refused. Hidden units cannot come back: norms would take them into their statistics.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/export/stored_artifact.h"

namespace espalier {

struct PlainShape {
  // Where a layer's sub-layers come from, as layers of the artifact; -1: from nowhere, zeros.
  struct Source {
    int attention = -1, ffn = -1;
  };
  ModelConfig config;  // all layers of one size, every linear layer dense, no exits
  std::vector<Source> layers;
  std::string architecture;  // "BertForSequenceClassification"
  Json json;                 // config.json
  std::vector<std::string>
      notes;  // what the folder holds otherwise than the artifact, as sentences
};

// FAILED_PRECONDITION says what transformers cannot express, and that ONNX can.
absl::StatusOr<PlainShape> plain_shape(const StoredArtifact& artifact);

}  // namespace espalier
