// Everything that tells one family of models from another, in one table: adding a family touches
// families.cpp only. Source of the facts: each family's configuration and modelling files in
// Hugging Face transformers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/spec/fields.h"
#include "core/spec/model_config.h"

namespace espalier {

// What config.json calls things. "": the family has no such key, and the default stands.
struct ConfigKeys {
  std::string hidden = "hidden_size", layers = "num_hidden_layers", heads = "num_attention_heads",
              neurons = "intermediate_size", activation = "hidden_act";
  std::string hidden_dropout = "hidden_dropout_prob",
              attention_dropout = "attention_probs_dropout_prob";
  std::string norm_eps = "layer_norm_eps", token_types = "type_vocab_size";
  std::string embedding_width, relative_buckets;
  // Dropout before the classifier, by what it does: one answer, tags, spans. A head without a key
  // has the default; a span head without one has none.
  std::string sequence_dropout = "classifier_dropout", token_dropout = "classifier_dropout",
              span_dropout;
};

// Our name without ".weight" or ".bias" (or, for tensors that are more than that, our whole name)
// -> theirs, likewise. Several: the first is the one that is written today.
struct WeightNames {
  std::string layer = "encoder.layer.";         // stands before the layer's number
  std::map<std::string, std::string> in_layer;  // "ffn.up" -> "intermediate.dense"
  std::map<std::string, std::string> encoder;   // behind the prefix
  std::map<HeadKind, std::map<std::string, std::vector<std::string>>> head;  // without the prefix
};

struct FamilyFacts {
  std::string title, model_type;  // "RoBERTa", "roberta"
  std::vector<std::string> also;  // model_types with the same tensors, keys and defaults
  std::string prefix;             // before the encoder's tensors in a checkpoint with a head
  ConfigKeys keys;
  WeightNames names;
  // What the family fixes, and what config.json means where it leaves a key out (positions: the
  // table's rows).
  ModelConfig defaults;
  bool offset_follows_pad = false;     // position_offset is pad_id + 1
  bool lm_follows_activation = false;  // lm_activation is `activation`, else the default
  double span_dropout = 0;             // default of keys.span_dropout
  // Whether a model is given the types that its tokenizer makes. If not, all are 0: the reference's
  // tokenizers of the family leave them out, and their models then read the table's first row.
  bool reads_types = true;
  bool drops_before_pooler = false;  // a sequence head drops out what its pooler reads, too
  bool reads_images() const { return defaults.reads_images(); }
  // A sequence head has a pooler; it belongs to the head (or, in BERT, to the encoder).
  bool pools_in_head() const { return names.head.at(HeadKind::kSequence).count("pooler") > 0; }
  bool pools() const { return pools_in_head() || names.encoder.count("pooler") > 0; }
  // Of a head's dropout: its key, "" where the family has none, and what stands where nothing is
  // said (none: hidden_dropout).
  const std::string& dropout_key(HeadKind kind, bool spans) const;
  std::optional<double> usual_dropout(HeadKind kind, bool spans) const;
};

const std::vector<FamilyFacts>& families();
const FamilyFacts* find_family(const std::string& model_type);  // null: nobody knows it
const FamilyFacts& facts_of(const ModelConfig& config);
std::string known_model_types();  // "bert, roberta, ...", for messages

// Sets head, spans and head_dropout. The dropout stays where config.json says both heads' under one
// key, else it is the family's usual one for the new head.
void change_head(ModelConfig& config, HeadKind kind, bool spans);

// Names a checkpoint may give one of our tensors (see expected_tensors), best first, as config.head
// has it; none for tensors that are ours alone (exits, masks, factors).
struct TheirName {
  std::string name;
  bool prefixed = false;  // the family's prefix may stand before it
};
std::vector<TheirName> their_names(const ModelConfig& config, const std::string& ours);
// The shape it has there: a patch is a convolution, single rows have axes of 1 before them.
std::vector<int64_t> their_shape(const ModelConfig& config, const std::string& ours,
                                 const std::vector<int64_t>& shape);

// The head that config.json's "architectures" promise, and whether it finds spans or follows next
// sentences. A masked language model that does not share the word table promises nothing.
struct StatedHead {
  std::optional<HeadKind> kind;
  bool spans = false, next_sentence = false;
  bool tied = true;  // tie_word_embeddings
};
StatedHead stated_head(const FamilyFacts& facts, Fields& config);

// Our word for an activation of Hugging Face's ("gelu_pytorch_tanh" is "gelu_new"), "" for one that
// is not known.
std::string known_activation(const std::string& theirs);

}  // namespace espalier
