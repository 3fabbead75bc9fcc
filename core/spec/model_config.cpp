#include "core/spec/model_config.h"

#include <algorithm>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"
#include "core/spec/linear_slots.h"

namespace espalier {
namespace {

// Larger than any encoder; small enough that a hostile config cannot make anybody allocate much.
constexpr int64_t kMaxWidth = 65536, kMaxLayers = 1024, kMaxHeads = 1024, kMaxNeurons = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 24, kMaxPositions = 1 << 20, kMaxHeadSpecs = 4096;
constexpr double kMaxParameters = 1e11;

std::string kind_name(LinearShape::Kind kind) {
  switch (kind) {
    case LinearShape::Kind::kFactored:
      return "factored";
    case LinearShape::Kind::kMasked:
      return "masked";
    case LinearShape::Kind::kDense:
      break;
  }
  return "dense";
}

void expect_word(Fields& fields, const char* key, const std::string& found,
                 const std::string& known) {
  if (found != known) {
    fields.fail(absl::StrCat(key, " is \"", found, "\"; this build knows: ", known));
  }
}

// Labels by id, from id2label or num_labels. Hugging Face leaves both out for two default labels.
void read_labels(Fields& fields, ModelConfig& out) {
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
  std::vector<std::string> architectures;
  fields.strings("architectures", architectures);
  for (const std::string& name : architectures) {
    if (name.find("ForSequenceClassification") != std::string::npos) out.classes = 2;
  }
}

LayerShape read_layer(Fields& espalier, const Json& json, int index, const ModelConfig& config,
                      int head_dim) {
  Fields fields(json, espalier.path(absl::StrCat("layers[", index, "]")));
  LayerShape layer;
  layer.head_dim = head_dim;
  fields.require({"heads", "neurons"});
  fields.integer("neurons", layer.neurons, 0, kMaxNeurons);
  fields.integer("head_dim", layer.head_dim, 1, kMaxWidth);
  if (const Json* heads = fields.find("heads"); heads && fields.status().ok()) {
    int previous = -1;
    bool fits = heads->is_array();
    for (size_t i = 0; fits && i < heads->size(); ++i) {
      const Json& id = (*heads)[i];
      fits = id.is_number_integer() && id.get<int64_t>() > previous &&
             id.get<int64_t>() < config.original_heads;
      if (fits) layer.kept_heads.push_back(previous = id.get<int>());
    }
    if (!fits) {
      fields.fail(absl::StrCat(
          fields.path("heads"),
          " must be ascending head ids below original_heads = ", config.original_heads));
    }
  }
  espalier.check(fields.status());
  return layer;
}

void read_heads(Fields& espalier, const Json& list, ModelConfig& out) {
  if (!list.is_array() || list.size() > static_cast<size_t>(kMaxHeadSpecs)) {
    return espalier.fail(
        absl::StrCat("espalier.heads must be a list of at most ", kMaxHeadSpecs, " heads"));
  }
  std::set<std::string> names;
  for (const Json& json : list) {
    Fields fields(json, absl::StrCat("espalier.heads[", out.heads.size(), "]"));
    HeadSpec head;
    fields.require({"name", "layer", "kind", "width", "outputs"});
    fields.string("name", head.name);
    fields.integer("layer", head.layer, 0, static_cast<int64_t>(out.layers.size()) - 1);
    fields.string("kind", head.kind);
    fields.integer("width", head.width, 1, kMaxWidth);
    fields.integer("outputs", head.outputs, 1, kMaxWidth);
    if (fields.status().ok()) {
      expect_word(fields, "kind of an espalier.heads entry", head.kind, "pooler_classifier");
      const bool plain = head.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") ==
                             std::string::npos &&
                         !head.name.empty() && head.name.size() <= 128;
      const std::string first = head.name.substr(0, head.name.find('.'));
      if (!plain || first == "layers" || first == "embeddings" || first == "pooler" ||
          first == "classifier") {
        fields.fail(
            absl::StrCat(fields.path("name"), " is \"", head.name,
                         "\"; it must be lower-case letters, digits, _ and ., like exits.0"));
      } else if (!names.insert(head.name).second) {
        fields.fail(absl::StrCat("espalier.heads has two heads named ", head.name));
      }
    }
    espalier.check(fields.status());
    if (!espalier.status().ok()) return;
    out.heads.push_back(std::move(head));
  }
}

void read_linears(Fields& espalier, const Json& json, ModelConfig& out) {
  if (!json.is_object())
    return espalier.fail("espalier.linears must be an object of names and shapes");
  std::map<std::string, LinearSlot> slots;
  for (LinearSlot& slot : linear_slots(out)) slots.emplace(slot.name, slot);
  for (const auto& [name, value] : json.items()) {
    auto slot = slots.find(name);
    if (slot == slots.end()) {
      return espalier.fail(
          absl::StrCat("espalier.linears names ", name, ", which this model has not"));
    }
    Fields fields(value, absl::StrCat("espalier.linears[", name, "]"));
    std::string kind = "dense";
    fields.string("kind", kind);
    LinearShape shape;
    if (kind == "factored") {
      shape.kind = LinearShape::Kind::kFactored;
      fields.require({"rank"});
      fields.integer("rank", shape.rank, 1, std::min(slot->second.outputs, slot->second.inputs));
    } else if (kind == "masked") {
      shape.kind = LinearShape::Kind::kMasked;
    } else if (kind != "dense") {
      fields.fail(
          absl::StrCat(fields.path("kind"), " is \"", kind, "\"; known: dense, factored, masked"));
    }
    espalier.check(fields.status());
    if (shape.kind != LinearShape::Kind::kDense) out.linears[name] = shape;
  }
}

// Per-layer shapes, from the espalier object or else all equal.
void read_shapes(Fields& fields, ModelConfig& out) {
  static const Json kNothing = Json::object();
  const Json* object = fields.find("espalier");
  Fields espalier(object ? *object : kNothing, "espalier");
  if (!espalier.status().ok()) return fields.check(espalier.status());

  fields.integer("num_attention_heads", out.original_heads, 1, kMaxHeads);
  espalier.integer("original_heads", out.original_heads, 1, kMaxHeads);
  int head_dim = 0;
  espalier.integer("head_dim", head_dim, 1, kMaxWidth);
  const Json* layers = espalier.find("layers");
  if (!espalier.has("original_heads")) fields.require({"num_attention_heads"});
  if (layers == nullptr) fields.require({"num_hidden_layers", "intermediate_size"});
  int layer_count = 0, neurons = 0;
  fields.integer("num_hidden_layers", layer_count, 0, kMaxLayers);
  fields.integer("intermediate_size", neurons, 0, kMaxNeurons);
  fields.check(espalier.status());
  if (!fields.status().ok()) return;

  if (head_dim == 0) {
    if (out.hidden % out.original_heads != 0) {
      return fields.fail(absl::StrCat("hidden_size is ", out.hidden, " and num_attention_heads ",
                                      out.original_heads, "; heads must divide the hidden size"));
    }
    head_dim = out.hidden / out.original_heads;
  }
  if (layers == nullptr) {
    LayerShape layer{{}, head_dim, neurons};
    for (int h = 0; h < out.original_heads; ++h) layer.kept_heads.push_back(h);
    out.layers.assign(layer_count, layer);
  } else {
    if (!layers->is_array() || layers->size() > static_cast<size_t>(kMaxLayers)) {
      return fields.fail(
          absl::StrCat("espalier.layers must be a list of at most ", kMaxLayers, " layers"));
    }
    if (fields.has("num_hidden_layers") && layers->size() != static_cast<size_t>(layer_count)) {
      return fields.fail(absl::StrCat("espalier.layers has ", layers->size(),
                                      " layers, but num_hidden_layers is ", layer_count));
    }
    for (size_t i = 0; i < layers->size() && espalier.status().ok(); ++i) {
      out.layers.push_back(read_layer(espalier, (*layers)[i], static_cast<int>(i), out, head_dim));
    }
  }
  out.pooler_width = out.hidden;
  espalier.integer("pooler_width", out.pooler_width, 0, kMaxWidth);
  espalier.integer("classes", out.classes, 0, kMaxWidth);
  if (const Json* heads = espalier.find("heads"); heads && espalier.status().ok()) {
    read_heads(espalier, *heads, out);
  }
  if (const Json* linears = espalier.find("linears"); linears && espalier.status().ok()) {
    read_linears(espalier, *linears, out);
  }
  fields.check(espalier.status());
}

absl::StatusOr<ModelConfig> read_config_checked(const Json& config) {
  Fields fields(config);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  std::string family;
  fields.string("model_type", family);
  if (family.empty()) fields.fail("config.json has no model_type; this build knows: bert");
  expect_word(fields, "model_type", family, "bert");
  ESPALIER_RETURN_IF_ERROR(fields.status());

  ModelConfig out;
  out.positions = 512;
  out.token_types = 2;
  fields.require({"hidden_size", "vocab_size"});
  fields.integer("hidden_size", out.hidden, 1, kMaxWidth);
  fields.integer("vocab_size", out.vocabulary, 1, kMaxVocabulary);
  fields.integer("max_position_embeddings", out.positions, 3, kMaxPositions);
  fields.integer("type_vocab_size", out.token_types, 1, 1024);
  fields.integer("pad_token_id", out.pad_id, 0, kMaxVocabulary);
  fields.number("layer_norm_eps", out.norm_eps, {0, 1, true, false});
  fields.number("hidden_dropout_prob", out.hidden_dropout, {0, 1, false, true});
  fields.number("attention_probs_dropout_prob", out.attention_dropout, {0, 1, false, true});
  fields.string("hidden_act", out.activation);
  expect_word(fields, "hidden_act", out.activation, "gelu");
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
  ESPALIER_RETURN_IF_ERROR(fields.status());

  read_labels(fields, out);
  read_shapes(fields, out);
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

}  // namespace

absl::StatusOr<ModelConfig> read_model_config(const Json& config) {
  // nlohmann's accessors throw on what the checks above should have caught; better safe.
  return guard("reading config.json", [&] { return read_config_checked(config); });
}

Json write_model_config(const ModelConfig& config) {
  Json layers = Json::array(), linears = Json::object(), heads = Json::array();
  const int head_dim = config.layers.empty() ? config.hidden / std::max(1, config.original_heads)
                                             : config.layers.front().head_dim;
  bool heads_uniform = true, neurons_uniform = true;
  for (const LayerShape& layer : config.layers) {
    Json json = {{"heads", layer.kept_heads}, {"neurons", layer.neurons}};
    if (layer.head_dim != head_dim) json["head_dim"] = layer.head_dim;
    layers.push_back(std::move(json));
    heads_uniform =
        heads_uniform && static_cast<int>(layer.kept_heads.size()) == config.original_heads;
    neurons_uniform = neurons_uniform && layer.neurons == config.layers.front().neurons;
  }
  for (const auto& [name, shape] : config.linears) {
    linears[name] = {{"kind", kind_name(shape.kind)}};
    if (shape.kind == LinearShape::Kind::kFactored) linears[name]["rank"] = shape.rank;
  }
  for (const HeadSpec& head : config.heads) {
    heads.push_back({{"name", head.name},
                     {"layer", head.layer},
                     {"kind", head.kind},
                     {"width", head.width},
                     {"outputs", head.outputs}});
  }
  Json out = {{"model_type", "bert"},
              {"hidden_size", config.hidden},
              {"num_hidden_layers", config.layers.size()},
              {"vocab_size", config.vocabulary},
              {"max_position_embeddings", config.positions},
              {"type_vocab_size", config.token_types},
              {"layer_norm_eps", config.norm_eps},
              {"hidden_dropout_prob", config.hidden_dropout},
              {"attention_probs_dropout_prob", config.attention_dropout},
              {"hidden_act", config.activation},
              {"pad_token_id", config.pad_id},
              {"espalier",
               {{"original_heads", config.original_heads},
                {"head_dim", head_dim},
                {"layers", std::move(layers)},
                {"linears", std::move(linears)},
                {"heads", std::move(heads)},
                {"pooler_width", config.pooler_width},
                {"classes", config.classes}}}};
  if (heads_uniform) out["num_attention_heads"] = config.original_heads;
  if (neurons_uniform && !config.layers.empty()) {
    out["intermediate_size"] = config.layers.front().neurons;
  }
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
