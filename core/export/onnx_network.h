// What an artifact computes, as ONNX nodes: for each family the same numbers as core/model's walk.
#pragma once

#include "core/export/onnx_graph.h"

namespace espalier {

// Inputs as optimum and transformers.onnx name them: input_ids, attention_mask and, where the model
// tells texts of a pair apart, token_type_ids, int64 [batch_size, sequence_length]; or
// pixel_values, float32 [batch_size, channels, side, side], normalised. Padding stands on
// the right of a row, as everywhere in Espalier.
//
// Outputs: logits; start_logits and end_logits of a model for questions; next_sentence_logits
// beside a masked language model that has them. At full depth: exits decide nothing. With `exits`
// every exit head that serving asks gives exit_logits_N and the states that it reads are
// hidden_states_N, N layers from the first: what a client needs to cut the model there.
void add_network(const StoredArtifact& artifact, bool exits, OnnxGraph& graph);

// The exits that serving asks, as (1-based layer, index in config.heads).
std::vector<std::pair<int, int>> asked_exits(const ModelConfig& config);

}  // namespace espalier
