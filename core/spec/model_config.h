// Everything about a model that is known without its weights.
//
// Letters used everywhere: B batch, T tokens, D hidden, L layers, H heads, F FFN neurons, C
// classes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier {

enum class Family { kBert };

// One layer's own sizes. A pruned model is just a model: its layers are narrower.
struct LayerShape {
  std::vector<int> kept_heads;  // original head ids, ascending; empty = no attention sub-layer
  int head_dim = 0;
  int neurons = 0;  // 0 = no FFN sub-layer
};

// How a linear layer is stored. Absent from ModelConfig::linears = dense.
struct LinearShape {
  enum class Kind { kDense, kFactored, kMasked };
  Kind kind = Kind::kDense;
  int rank = 0;  // kFactored only
};

// A small network beside the stack, by name: exit classifiers, skip gates. Data, so that it is
// saved, folded and served like any layer.
struct HeadSpec {
  std::string name;  // "exits.0" reads layer 0's output (the first layer)
  int layer = 0;     // 0-based layer whose output it reads
  std::string kind;  // "pooler_classifier": Linear D->W, tanh on the CLS row, Linear W->C
  int width = 0;     // W
  int outputs = 0;   // C
};

struct ModelConfig {
  Family family = Family::kBert;
  int hidden = 0;          // D
  int original_heads = 0;  // heads a layer had before pruning
  std::vector<LayerShape> layers;
  int vocabulary = 0;
  int positions = 0;  // longest input in tokens
  int token_types = 0;
  int pooler_width = 0;  // rows of the pooler's Linear; 0 = no pooler
  int classes = 0;       // outputs of the task head; 0 = no head
  double norm_eps = 1e-12;
  double hidden_dropout = 0.1, attention_dropout = 0.1;
  std::string activation = "gelu";  // exact (erf) GELU; the only one of this slice
  int pad_id = 0;
  std::vector<std::string> label_names;        // by id; empty: LABEL_0, ...
  std::map<std::string, LinearShape> linears;  // by weight name without ".weight"
  std::vector<HeadSpec> heads;

  int head_count(int layer) const { return static_cast<int>(layers[layer].kept_heads.size()); }
};

// Reads a Hugging Face config.json or the one that our artifacts carry (the same keys, plus an
// "espalier" object with per-layer shapes and heads). Messages name the key, what was found and
// what would work. `"model_type": "roberta"` and other families are refused with the known ones
// named.
absl::StatusOr<ModelConfig> read_model_config(const Json& config);
// The inverse: Hugging Face keys where the shapes are uniform, and the "espalier" object always.
Json write_model_config(const ModelConfig& config);

// Counts from shapes alone.
struct Counts {
  double encoder_parameters =
      0;                  // layers only: weights, biases and norms; not embeddings, heads, pooler
  double parameters = 0;  // everything, exits included
  // Multiply-accumulates of one example of `tokens` tokens: layers (with attention products),
  // pooler and classifier; exits are counted in exit_macs.
  double macs = 0;
  double exit_macs = 0;
  std::vector<double> layer_macs;  // by layer
};
// Masked weights count as stored (dense) parameters here; `nonzero` figures belong to the report.
Counts count(const ModelConfig& config, int tokens);

// Tensors the config demands: our name -> shape. Used to check weights before anything is loaded.
std::map<std::string, std::vector<int64_t>> expected_tensors(const ModelConfig& config);

}  // namespace espalier
