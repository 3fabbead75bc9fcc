// From hidden states to answers.
#pragma once

#include "core/model/model.h"

namespace espalier {

// classifier(dropout(act(pooler(row)))), [B,D] -> [B,C]; without a pooler the classifier reads the
// row.
Tensor head_logits(const Linear& pooler, const Linear& classifier, const Tensor& row,
                   const std::string& activation = "tanh", double dropout = 0);

// A classifier on every token, [n,D] -> [n,C].
Tensor token_logits(const Model& model, const Tensor& tokens, double dropout = 0);

// Scores of every word, [n,D] -> [n,V]: norm(act(dense(token))) times the word table, plus a bias.
Tensor word_logits(const Model& model, const Tensor& tokens);

}  // namespace espalier
