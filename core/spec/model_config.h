// Everything about a model that is known without its weights.
//
// Letters used everywhere: B batch, T tokens, D hidden, L layers, H heads, F FFN neurons, C
// classes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier {

// What tells them apart stands in one table (families.h). DeiT is kVit with a distillation token.
enum class Family { kBert, kRoberta, kDistilBert, kMpnet, kElectra, kVit };

// kSequence: classifier(dropout(act(pooler(row)))), one answer for the whole input; without a
// pooler the classifier reads the row, and some families drop before the pooler, too. kToken: the
// classifier reads every token (tags; a span's two ends). kMaskedLm: norm(act(dense(token))) times
// the word table plus lm.bias, for every token; `classes` is then 2 where a next-sentence
// classifier stands over a pooler (tanh), else 0.
enum class HeadKind { kSequence, kToken, kMaskedLm };

// What a sequence head answers with, as config.json's problem_type says it.
enum class ProblemType { kUnstated, kRegression, kSingleLabel, kMultiLabel };

// The row that a sequence head reads: the first token's, or the mean over the tokens.
enum class Pooling { kFirst, kMean };

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

// What is done to an image before it is cut into patches, in this order: resize to size x size,
// centre crop to crop x crop (0: none), times `rescale`, minus mean, over std (by channel; one
// entry for all channels will do). Defaults are ViT's; source: Hugging Face's
// preprocessor_config.json.
struct ImageSettings {
  bool do_resize = true;
  int size = 224;
  int resample = 2;  // PIL's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic
  int crop = 0;
  double rescale = 1.0 / 255;
  std::vector<double> mean = {0.5, 0.5, 0.5}, std = {0.5, 0.5, 0.5};
};

struct ModelConfig {
  Family family = Family::kBert;
  int hidden = 0;          // D
  int original_heads = 0;  // heads a layer had before pruning
  std::vector<LayerShape> layers;

  // Text. Images have no words: vocabulary is 0 and there is no word table.
  int vocabulary = 0;
  int positions = 0;        // longest input in tokens; images: exactly this many
  int position_offset = 0;  // row of the first position; the table has positions + this many rows
  int token_types = 0;      // 0: no table
  // Columns of the word, position and type tables and of embeddings.norm. 0: hidden. Above 0 there
  // is a Linear embeddings.projection [hidden, embedding_width] behind the norm (ELECTRA small),
  // also when a pruned `hidden` happens to be as wide.
  int embedding_width = 0;
  bool embedding_norm = true;  // a norm behind the embeddings (ViT has none)
  // Pre-norm: sub-layers read norm(x) and add to x, and final_norm stands behind the last layer.
  // attention.norm and ffn.norm are then the norms before their sub-layer.
  bool norm_first = false;
  // Rows of attention_bias.weight [relative_buckets, original_heads], added to the attention scores
  // of all layers by T5's bucket of (key - query); a layer takes the columns of its kept_heads.
  // 0: none.
  int relative_buckets = 0;
  int relative_max_distance = 128;

  // Images: side in pixels, side of a patch, colours. 0: text. The tokens are cls, then the
  // distillation token if there is one, then the patches by rows.
  int image_size = 0, patch_size = 0, channels = 0;
  bool distillation_token = false;
  ImageSettings image;

  HeadKind head = HeadKind::kSequence;
  bool spans = false;  // the 2 classes of a kToken head are start and end of an answer, no tags
  ProblemType problem = ProblemType::kUnstated;
  Pooling pooling = Pooling::kFirst;
  int pooler_width = 0;                  // rows of the pooler's Linear; 0 = no pooler
  std::string head_activation = "tanh";  // behind the pooler: tanh, relu or gelu
  int classes = 0;                       // outputs of the task head; 0 = no head
  std::optional<double> head_dropout;    // before the classifier; none: hidden_dropout

  double norm_eps = 1e-12;
  double hidden_dropout = 0.1, attention_dropout = 0.1;
  // FFN's: "gelu" (erf), "gelu_new" (its tanh form, also read from "gelu_pytorch_tanh") or "relu".
  std::string activation = "gelu";
  std::string lm_activation = "gelu";  // behind lm.dense: the same names
  int pad_id = 0;
  std::vector<std::string> label_names;        // by id; empty: LABEL_0, ...
  std::map<std::string, LinearShape> linears;  // by weight name without ".weight"
  std::vector<HeadSpec> heads;

  int head_count(int layer) const { return static_cast<int>(layers[layer].kept_heads.size()); }
  bool reads_images() const { return image_size > 0; }
  size_t pixels() const { return size_t{1} * channels * image_size * image_size; }
  int patches() const {
    return reads_images() ? (image_size / patch_size) * (image_size / patch_size) : 0;
  }
  // Tokens before the first patch.
  int special_tokens() const { return distillation_token ? 2 : 1; }
  bool has_projection() const { return embedding_width > 0; }
  int embedding_columns() const { return has_projection() ? embedding_width : hidden; }
};

// Reads a Hugging Face config.json or the one that our artifacts carry (the same keys, plus an
// "espalier" object with per-layer shapes and heads). Messages name the key, what was found and
// what would work; an unknown model_type is refused with the known ones named. `architectures` say
// which head to expect; inspect_model_folder corrects that by what the weights hold.
absl::StatusOr<ModelConfig> read_model_config(const Json& config);
// The inverse: Hugging Face keys where the shapes are uniform, and the "espalier" object always.
Json write_model_config(const ModelConfig& config);

// Counts from shapes alone.
struct Counts {
  double encoder_parameters =
      0;                  // layers only: weights, biases and norms; not embeddings, heads, pooler
  double parameters = 0;  // everything, exits included
  // Multiply-accumulates of one example of `tokens` tokens: layers (with attention products),
  // embedding projection or patches, task head (per-token heads on every token, a masked language
  // model's product with the word table included); exits are counted in exit_macs.
  double macs = 0;
  double exit_macs = 0;
  std::vector<double> layer_macs;  // by layer
};
// Masked weights count as stored (dense) parameters here; `nonzero` figures belong to the report.
Counts count(const ModelConfig& config, int tokens);

// Tensors the config demands: our name -> shape. Used to check weights before anything is loaded.
//   embeddings.{word,position,token_type}.weight  embeddings.norm  embeddings.projection
//   embeddings.patch.weight [D, channels * patch * patch] (Hugging Face: [D, channels, patch,
//   patch]), .bias, embeddings.cls [D], embeddings.distillation [D]
//   attention_bias.weight, layers.N.*, final_norm, pooler, classifier, lm.dense, lm.norm, lm.bias
std::map<std::string, std::vector<int64_t>> expected_tensors(const ModelConfig& config);

}  // namespace espalier
