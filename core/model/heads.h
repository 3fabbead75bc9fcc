// From hidden states to answers.
#pragma once

#include "core/model/model.h"

namespace espalier {

// What a sequence head drops of the values that each of its layers reads.
struct HeadDropout {
  double pooler = 0, classifier = 0;
};

// classifier(drop(act(pooler(drop(row))))), [B,D] -> [B,C]; without a pooler the classifier reads
// the row.
Tensor head_logits(const Linear& pooler, const Linear& classifier, const Tensor& row,
                   const std::string& activation = "tanh", HeadDropout dropout = {});

// A classifier on every token, [n,D] -> [n,C].
Tensor token_logits(const Model& model, const Tensor& tokens, double dropout = 0);

// Scores of every word, [n,D] -> [n,V]: norm(act(dense(token))) times the word table, plus a bias.
Tensor word_logits(const Model& model, const Tensor& tokens);

}  // namespace espalier
