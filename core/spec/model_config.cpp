#include "core/spec/model_config.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/espalier_object.h"
#include "core/spec/families.h"

namespace espalier {
namespace {

constexpr double kMaxParameters = 1e11;
constexpr int64_t kMaxImageSide = 8192, kMaxChannels = 64;

struct ProblemWord {
  ProblemType problem;
  const char* word;
};
constexpr ProblemWord kProblems[] = {{ProblemType::kRegression, "regression"},
                                     {ProblemType::kSingleLabel, "single_label_classification"},
                                     {ProblemType::kMultiLabel, "multi_label_classification"}};

void read_problem(Fields& fields, ModelConfig& out) {
  std::string found;
  fields.string("problem_type", found);
  std::vector<std::string> known;
  for (const ProblemWord& one : kProblems) {
    if (found == one.word) out.problem = one.problem;
    known.push_back(one.word);
  }
  if (found.empty() || out.problem != ProblemType::kUnstated) return;
  fields.fail(absl::StrCat("problem_type is \"", found, "\"; known: ", absl::StrJoin(known, ", ")));
}

void expect_word(Fields& fields, const char* key, const std::string& found,
                 const std::string& known) {
  if (found != known) {
    fields.fail(absl::StrCat(key, " is \"", found, "\"; this build knows: ", known));
  }
}

// Labels by id, from id2label or num_labels. Hugging Face leaves both out for two default labels; a
// promised classifier has those then.
void read_labels(Fields& fields, bool promised, ModelConfig& out) {
  if (const Json* labels = fields.find("id2label")) {
    if (!labels->is_object()) return fields.fail("id2label must be an object {\"0\": name, ...}");
    const size_t n = labels->size();
    if (n > static_cast<size_t>(kMaxWidth)) {
      return fields.fail(absl::StrCat("id2label has ", n, " labels; at most ", kMaxWidth));
    }
    for (size_t i = 0; i < n; ++i) {
      auto it = labels->find(std::to_string(i));
      if (it == labels->end() || !it->is_string()) {
        return fields.fail(
            absl::StrCat("id2label has ", n, " labels, but none with a name and id ", i));
      }
      out.label_names.push_back(it->get<std::string>());
    }
    out.classes = static_cast<int>(n);
    return;
  }
  if (fields.has("num_labels")) return fields.integer("num_labels", out.classes, 0, kMaxWidth);
  if (promised) out.classes = 2;
}

// A key that the family may not have.
void optional_integer(Fields& fields, const std::string& key, int& out, int64_t low, int64_t high) {
  if (!key.empty()) fields.integer(key, out, low, high);
}

void read_text_sizes(Fields& fields, const FamilyFacts& facts, ModelConfig& out) {
  fields.require({"vocab_size"});
  fields.integer("vocab_size", out.vocabulary, 1, kMaxVocabulary);
  fields.integer("pad_token_id", out.pad_id, 0, kMaxVocabulary);
  optional_integer(fields, facts.keys.token_types, out.token_types, 1, 1024);
  if (!facts.keys.embedding_width.empty()) {
    fields.integer(facts.keys.embedding_width, out.embedding_width, 1, kMaxWidth);
    if (out.embedding_width == out.hidden) out.embedding_width = 0;
  }
  int buckets = out.relative_buckets;
  optional_integer(fields, facts.keys.relative_buckets, buckets, 1, kMaxWidth);
  if (buckets != out.relative_buckets) {
    fields.fail(absl::StrCat(facts.keys.relative_buckets, " is ", buckets,
                             "; the reference computes with ", out.relative_buckets,
                             " whatever it says, and so does this build"));
  }
  if (facts.offset_follows_pad) out.position_offset = out.pad_id + 1;
  read_traits(fields, out);
  int rows = out.positions;
  fields.integer("max_position_embeddings", rows, 3, kMaxPositions);
  out.positions = rows - out.position_offset;
  if (out.positions < 1) {
    fields.fail(absl::StrCat("max_position_embeddings is ", rows, ", but the first ",
                             out.position_offset, " rows stand for no position"));
  }
  std::string position_kind = "absolute";
  fields.string("position_embedding_type", position_kind);
  expect_word(fields, "position_embedding_type", position_kind, "absolute");
  bool is_decoder = false;
  fields.boolean("is_decoder", is_decoder);
  if (is_decoder) fields.fail("is_decoder is true; this build compresses encoders");
  if (out.pad_id >= out.vocabulary) {
    fields.fail(absl::StrCat("pad_token_id is ", out.pad_id,
                             "; it must be below vocab_size, which is ", out.vocabulary));
  }
}

void read_image_sizes(Fields& fields, ModelConfig& out) {
  const int usual_side = out.image_size;
  fields.integer("image_size", out.image_size, 1, kMaxImageSide);
  fields.integer("patch_size", out.patch_size, 1, kMaxImageSide);
  fields.integer("num_channels", out.channels, 1, kMaxChannels);
  bool qkv_bias = true;
  fields.boolean("qkv_bias", qkv_bias);
  if (!qkv_bias) fields.fail("qkv_bias is false; this build knows attention with biases only");
  read_traits(fields, out);
  if (out.image_size % out.patch_size != 0) {
    fields.fail(absl::StrCat("image_size is ", out.image_size, " and patch_size ", out.patch_size,
                             "; patches must divide the image"));
  }
  out.positions = out.patches() + out.special_tokens();
  if (out.positions > kMaxPositions) {
    fields.fail(absl::StrCat("image_size is ", out.image_size, " and patch_size ", out.patch_size,
                             ", which makes ", out.positions, " tokens; at most ", kMaxPositions));
  }
  // A preprocessor made for another side than the usual one resizes and crops in proportion.
  out.image.size = out.image.size * out.image_size / usual_side;
  out.image.crop = out.image.crop * out.image_size / usual_side;
  out.image.mean.assign(out.channels, 0.5);
  out.image.std.assign(out.channels, 0.5);
}

void read_activation(Fields& fields, const FamilyFacts& facts, ModelConfig& out) {
  std::string activation = out.activation;
  fields.string(facts.keys.activation, activation);
  out.activation = known_activation(activation);
  if (out.activation.empty()) {
    fields.fail(absl::StrCat(facts.keys.activation, " is \"", activation,
                             "\"; this build knows: gelu, gelu_new, gelu_pytorch_tanh, relu"));
  }
  if (facts.lm_follows_activation) out.lm_activation = out.activation;
}

void read_head_dropout(Fields& fields, const FamilyFacts& facts, ModelConfig& out) {
  out.head_dropout = facts.usual_dropout(out.head, out.spans);
  const std::string& key = facts.dropout_key(out.head, out.spans);
  if (key.empty() || !fields.has(key)) return;
  double dropout = 0;
  fields.number(key, dropout, {0, 1, false, true});
  out.head_dropout = dropout;
}

// The head that config.json promises. A masked language model has no labels.
void read_head(Fields& fields, const FamilyFacts& facts, ModelConfig& out) {
  const StatedHead stated = stated_head(facts, fields);
  const bool speaks = stated.kind == HeadKind::kMaskedLm;
  read_labels(fields, stated.kind.has_value() && !speaks, out);
  if (speaks) {
    out.label_names.clear();
    out.classes = stated.next_sentence ? 2 : 0;
  }
  out.head = stated.kind.value_or(HeadKind::kSequence);
  out.spans = stated.spans;
  const bool pools =
      facts.pools() && (speaks ? stated.next_sentence : out.head != HeadKind::kToken);
  out.pooler_width = pools ? out.hidden : 0;
  read_head_dropout(fields, facts, out);
}

absl::StatusOr<ModelConfig> read_config_checked(const Json& config) {
  if (!config.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.json must be an object of names and values, found ", shown(config)));
  }
  Fields fields(config);
  std::string model_type;
  fields.string("model_type", model_type);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  const FamilyFacts* facts = find_family(model_type);
  if (facts == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(model_type.empty() ? "config.json has no model_type"
                                        : absl::StrCat("model_type is \"", model_type, "\""),
                     "; this build knows: ", known_model_types()));
  }

  ModelConfig out = facts->defaults;
  const ConfigKeys& keys = facts->keys;
  fields.require({keys.hidden.c_str()});
  fields.integer(keys.hidden, out.hidden, 1, kMaxWidth);
  if (!keys.norm_eps.empty()) fields.number(keys.norm_eps, out.norm_eps, {0, 1, true, false});
  fields.number(keys.hidden_dropout, out.hidden_dropout, {0, 1, false, true});
  fields.number(keys.attention_dropout, out.attention_dropout, {0, 1, false, true});
  read_activation(fields, *facts, out);
  if (facts->reads_images()) {
    read_image_sizes(fields, out);
  } else {
    read_text_sizes(fields, *facts, out);
  }
  ESPALIER_RETURN_IF_ERROR(fields.status());

  read_head(fields, *facts, out);
  read_problem(fields, out);
  read_layers(fields, out);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  read_own_head(fields, out);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  if (!out.label_names.empty() && static_cast<int>(out.label_names.size()) != out.classes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "id2label has ", out.label_names.size(), " labels, but espalier.classes is ", out.classes));
  }
  if (double parameters = count(out, 1).parameters; parameters > kMaxParameters) {
    return absl::InvalidArgumentError(absl::StrCat("config.json describes ", parameters,
                                                   " parameters; at most ", kMaxParameters,
                                                   " are taken"));
  }
  return out;
}

void write_sizes(const ModelConfig& config, const FamilyFacts& facts, Json& out) {
  const ConfigKeys& keys = facts.keys;
  if (facts.reads_images()) {
    out["image_size"] = config.image_size;
    out["patch_size"] = config.patch_size;
    out["num_channels"] = config.channels;
    return;
  }
  out["vocab_size"] = config.vocabulary;
  out["pad_token_id"] = config.pad_id;
  out["max_position_embeddings"] = config.positions + config.position_offset;
  if (!keys.token_types.empty()) out[keys.token_types] = config.token_types;
  if (!keys.embedding_width.empty()) out[keys.embedding_width] = config.embedding_columns();
  if (!keys.relative_buckets.empty()) out[keys.relative_buckets] = facts.defaults.relative_buckets;
}

// Where all layers are equal, as Hugging Face says it.
void write_layers(const ModelConfig& config, const ConfigKeys& keys, Json& out) {
  bool heads_uniform = true, neurons_uniform = true;
  for (const LayerShape& layer : config.layers) {
    heads_uniform =
        heads_uniform && static_cast<int>(layer.kept_heads.size()) == config.original_heads;
    neurons_uniform = neurons_uniform && layer.neurons == config.layers.front().neurons;
  }
  out[keys.layers] = config.layers.size();
  if (heads_uniform) out[keys.heads] = config.original_heads;
  if (neurons_uniform && !config.layers.empty()) {
    out[keys.neurons] = config.layers.front().neurons;
  }
}

}  // namespace

absl::StatusOr<ModelConfig> read_model_config(const Json& config) {
  // nlohmann's accessors throw on what the checks above should have caught; better safe.
  return guard("reading config.json", [&] { return read_config_checked(config); });
}

Json write_model_config(const ModelConfig& config) {
  const FamilyFacts& facts = facts_of(config);
  const ConfigKeys& keys = facts.keys;
  Json out = {{"model_type", facts.model_type},
              {keys.hidden, config.hidden},
              {keys.hidden_dropout, config.hidden_dropout},
              {keys.attention_dropout, config.attention_dropout},
              {keys.activation, config.activation},
              {"espalier", write_espalier(config)}};
  if (!keys.norm_eps.empty()) out[keys.norm_eps] = config.norm_eps;
  const std::string& dropout = facts.dropout_key(config.head, config.spans);
  if (config.head_dropout && !dropout.empty()) out[dropout] = *config.head_dropout;
  for (const ProblemWord& one : kProblems) {
    if (config.problem == one.problem) out["problem_type"] = one.word;
  }
  write_sizes(config, facts, out);
  write_layers(config, keys, out);
  if (!config.label_names.empty()) {
    Json id2label = Json::object(), label2id = Json::object();
    for (size_t i = 0; i < config.label_names.size(); ++i) {
      id2label[std::to_string(i)] = config.label_names[i];
      label2id[config.label_names[i]] = i;
    }
    out["id2label"] = std::move(id2label);
    out["label2id"] = std::move(label2id);
  }
  return out;
}

}  // namespace espalier
