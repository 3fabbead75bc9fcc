// The one model type. A pruned model is just a model: its layers carry their own sizes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/linear.h"
#include "core/spec/model_config.h"

namespace espalier {

struct Layer {
  Linear query, key, value, output;  // all undefined: no attention sub-layer (its norm neither)
  Norm attention_norm;
  Linear up, down;  // undefined: no FFN sub-layer
  Norm ffn_norm;
  bool has_attention() const { return output.defined(); }
  bool has_ffn() const { return down.defined(); }
};

// See HeadSpec: classifier(tanh(pooler(CLS))).
struct HeadModule {
  Linear pooler, classifier;
};

// Copying is shallow (tensors are shared); clone() is deep.
struct Model {
  ModelConfig config;
  // Embeddings; see ModelConfig for what a family has of them. E: embedding columns, mostly D.
  Tensor word, position, token_type;     // [V,E], [P,E], [S,E]
  Tensor cls_token, distillation_token;  // [D], images only
  Linear patch;                          // channels x side x side -> D, images only
  Norm embedding_norm;
  Linear projection;      // E -> D
  Tensor attention_bias;  // [buckets, original heads]
  std::vector<Layer> layers;
  Norm final_norm;  // pre-norm models
  Linear pooler, classifier;
  Linear lm_dense;  // masked language models, see word_logits()
  Norm lm_norm;
  Tensor lm_bias;                 // [V]
  std::vector<HeadModule> heads;  // one for each of config.heads

  // Visits every defined tensor with the name that expected_tensors() gives it, masks included.
  void for_each(const std::function<void(const std::string&, Tensor&)>& visit);
  void for_each(const std::function<void(const std::string&, const Tensor&)>& visit) const;
  // Visits every Linear of the layers by the name of its weight without ".weight".
  void for_each_linear(const std::function<void(const std::string&, Linear&)>& visit);
  std::map<std::string, Tensor> tensors() const;

  torch::Device device() const { return position.device(); }
  Model clone() const;
  // Takes the values of a model of the same shapes; the tensors stay.
  void copy_values(const Model& other);
  Model to(torch::Device device) const;
  void set_requires_grad(bool requires_grad);

  // Appends a "pooler_classifier" head that reads `layer`. Its pooler starts as a copy of the
  // model's pooler where there is one of the same width, its classifier from N(0, 0.02) by `seed`.
  void attach_head(const std::string& name, int layer, int outputs, uint64_t seed);
  // Replaces the task head by a fresh one for this kind of answer, N(0, 0.02) by `seed`. A sequence
  // head keeps the encoder's pooler, and gets one if its family has poolers; others have none. The
  // words of a masked language model are no classes: what reads them stays where it is there, and
  // only the next-sentence classifier, of 2 classes or with 0 none, is fresh. `spans` and what
  // becomes of the head's dropout: see change_head().
  void reset_classifier(int classes, uint64_t seed, HeadKind kind = HeadKind::kSequence,
                        bool spans = false);
  // Puts the classifier's rows in the order of `labels` when config.label_names holds the same ones
  // in another, and returns true: the head serves them. Names that say nothing ("LABEL_0", a data
  // set's plain numbers) are taken to stand in order. False: the head was made for other labels.
  bool reorder_classifier(const std::vector<std::string>& labels);
};

// Builds a model from named tensors. INVALID_ARGUMENT lists what is missing, extra or misshapen.
absl::StatusOr<Model> assemble_model(const ModelConfig& config,
                                     std::map<std::string, Tensor> tensors);

// A model with N(0, 0.02) weights, zero biases and unit norms: tests and fresh heads.
Model random_model(const ModelConfig& config, uint64_t seed);

}  // namespace espalier
