#include "core/spec/espalier_object.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/spec/families.h"
#include "core/spec/image_settings.h"
#include "core/spec/linear_slots.h"

namespace espalier {
namespace {

struct Word {
  int value;
  const char* text;
};
constexpr Word kHeadKinds[] = {{static_cast<int>(HeadKind::kSequence), "sequence"},
                               {static_cast<int>(HeadKind::kToken), "token"},
                               {static_cast<int>(HeadKind::kMaskedLm), "masked_lm"}};
constexpr Word kPoolings[] = {{static_cast<int>(Pooling::kFirst), "first"},
                              {static_cast<int>(Pooling::kMean), "mean"}};

template <class Enum, size_t N>
const char* word_of(const Word (&words)[N], Enum value) {
  for (const Word& word : words) {
    if (word.value == static_cast<int>(value)) return word.text;
  }
  return words[0].text;
}

template <class Enum, size_t N>
void read_word(Fields& fields, const char* name, const Word (&words)[N], Enum& out) {
  std::string found = word_of(words, out);
  fields.string(name, found);
  std::vector<std::string> known;
  for (const Word& word : words) {
    if (found == word.text) {
      out = static_cast<Enum>(word.value);
      return;
    }
    known.push_back(word.text);
  }
  fields.fail(absl::StrCat(fields.path(name), " is \"", found,
                           "\"; this build knows: ", absl::StrJoin(known, ", ")));
}

// The object, or an empty one.
Fields own_fields(Fields& fields) {
  static const Json kNothing = Json::object();
  const Json* object = fields.find("espalier");
  return Fields(object ? *object : kNothing, "espalier");
}

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
      if (head.kind != "pooler_classifier") {
        fields.fail(absl::StrCat("kind of an espalier.heads entry is \"", head.kind,
                                 "\"; this build knows: pooler_classifier"));
      }
      const bool plain = head.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") ==
                             std::string::npos &&
                         !head.name.empty() && head.name.size() <= 128;
      static const std::set<std::string> kTaken = {
          "layers", "embeddings", "attention_bias", "final_norm", "pooler", "classifier", "lm"};
      const std::string first = head.name.substr(0, head.name.find('.'));
      if (!plain || kTaken.count(first) > 0) {
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

}  // namespace

int common_head_dim(const ModelConfig& config) {
  return config.layers.empty() ? config.hidden / std::max(1, config.original_heads)
                               : config.layers.front().head_dim;
}

void read_traits(Fields& fields, ModelConfig& out) {
  Fields own = own_fields(fields);
  own.integer("embedding_width", out.embedding_width, 0, kMaxWidth);
  own.integer("position_offset", out.position_offset, 0, kMaxPositions);
  own.boolean("embedding_norm", out.embedding_norm);
  own.boolean("norm_first", out.norm_first);
  own.integer("relative_buckets", out.relative_buckets, 0, kMaxWidth);
  own.integer("relative_max_distance", out.relative_max_distance, 1, kMaxPositions);
  // Half the buckets are for keys behind the query, and half of those for single distances.
  const int exact = out.relative_buckets / 4;
  if (out.relative_buckets > 0 && (exact < 1 || out.relative_max_distance <= exact)) {
    own.fail(absl::StrCat("espalier.relative_buckets is ", out.relative_buckets,
                          " and relative_max_distance ", out.relative_max_distance,
                          "; it needs at least 4 buckets and a distance above a quarter of them"));
  }
  fields.check(own.status());
}

void read_layers(Fields& fields, ModelConfig& out) {
  const ConfigKeys& keys = facts_of(out).keys;
  Fields own = own_fields(fields);
  fields.integer(keys.heads, out.original_heads, 1, kMaxHeads);
  own.integer("original_heads", out.original_heads, 1, kMaxHeads);
  int head_dim = 0;
  own.integer("head_dim", head_dim, 1, kMaxWidth);
  const Json* layers = own.find("layers");
  if (!own.has("original_heads")) fields.require({keys.heads.c_str()});
  if (layers == nullptr) fields.require({keys.layers.c_str(), keys.neurons.c_str()});
  int layer_count = 0, neurons = 0;
  fields.integer(keys.layers, layer_count, 0, kMaxLayers);
  fields.integer(keys.neurons, neurons, 0, kMaxNeurons);
  fields.check(own.status());
  if (!fields.status().ok()) return;

  if (head_dim == 0) {
    if (out.hidden % out.original_heads != 0) {
      return fields.fail(absl::StrCat(keys.hidden, " is ", out.hidden, " and ", keys.heads, " ",
                                      out.original_heads, "; heads must divide the hidden size"));
    }
    head_dim = out.hidden / out.original_heads;
  }
  if (layers == nullptr) {
    LayerShape layer{{}, head_dim, neurons};
    for (int h = 0; h < out.original_heads; ++h) layer.kept_heads.push_back(h);
    out.layers.assign(layer_count, layer);
    return;
  }
  if (!layers->is_array() || layers->size() > static_cast<size_t>(kMaxLayers)) {
    return fields.fail(
        absl::StrCat("espalier.layers must be a list of at most ", kMaxLayers, " layers"));
  }
  if (fields.has(keys.layers) && layers->size() != static_cast<size_t>(layer_count)) {
    return fields.fail(absl::StrCat("espalier.layers has ", layers->size(), " layers, but ",
                                    keys.layers, " is ", layer_count));
  }
  for (size_t i = 0; i < layers->size() && own.status().ok(); ++i) {
    out.layers.push_back(read_layer(own, (*layers)[i], static_cast<int>(i), out, head_dim));
  }
  fields.check(own.status());
}

void read_own_head(Fields& fields, ModelConfig& out) {
  Fields own = own_fields(fields);
  // Artifacts of the first format say nothing of these; what their keys mean stands then.
  if (own.has("head")) {
    out.head_dropout.reset();
    out.spans = false;
  }
  read_word(own, "head", kHeadKinds, out.head);
  own.boolean("spans", out.spans);
  read_word(own, "pooling", kPoolings, out.pooling);
  if (own.has("head_dropout")) {
    double dropout = 0;
    own.number("head_dropout", dropout, {0, 1, false, true});
    out.head_dropout = dropout;
  }
  own.string("head_activation", out.head_activation);
  if (out.head_activation != "tanh" && out.head_activation != "relu" &&
      out.head_activation != "gelu") {
    own.fail(absl::StrCat("espalier.head_activation is \"", out.head_activation,
                          "\"; this build knows: tanh, relu, gelu"));
  }
  own.string("lm_activation", out.lm_activation);
  if (known_activation(out.lm_activation) != out.lm_activation) {
    own.fail(absl::StrCat("espalier.lm_activation is \"", out.lm_activation,
                          "\"; this build knows: gelu, gelu_new, relu"));
  }
  if (out.head == HeadKind::kMaskedLm && out.reads_images()) {
    own.fail("espalier.head is \"masked_lm\", but images have no words");
  }
  own.integer("pooler_width", out.pooler_width, 0, kMaxWidth);
  own.integer("classes", out.classes, 0, kMaxWidth);
  if (out.spans && (out.head != HeadKind::kToken || out.classes != 2)) {
    own.fail(absl::StrCat(
        "a head for question answering has 2 outputs for every token, an answer's start and end; "
        "this one has ",
        out.classes, out.head == HeadKind::kToken ? "" : " and is no token head"));
  }
  if (const Json* image = own.find("image"); image && out.reads_images()) {
    Fields settings(*image, "espalier.image");
    read_image_settings(settings, out);
    own.check(settings.status());
  }
  if (const Json* heads = own.find("heads"); heads && own.status().ok()) {
    read_heads(own, *heads, out);
  }
  if (const Json* linears = own.find("linears"); linears && own.status().ok()) {
    read_linears(own, *linears, out);
  }
  fields.check(own.status());
}

Json write_espalier(const ModelConfig& config) {
  Json layers = Json::array(), linears = Json::object(), heads = Json::array();
  const int head_dim = common_head_dim(config);
  for (const LayerShape& layer : config.layers) {
    Json json = {{"heads", layer.kept_heads}, {"neurons", layer.neurons}};
    if (layer.head_dim != head_dim) json["head_dim"] = layer.head_dim;
    layers.push_back(std::move(json));
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
  Json out = {{"original_heads", config.original_heads},
              {"head_dim", head_dim},
              {"layers", std::move(layers)},
              {"linears", std::move(linears)},
              {"heads", std::move(heads)},
              {"head", word_of(kHeadKinds, config.head)},
              {"spans", config.spans},
              {"pooling", word_of(kPoolings, config.pooling)},
              {"head_activation", config.head_activation},
              {"lm_activation", config.lm_activation},
              {"pooler_width", config.pooler_width},
              {"classes", config.classes},
              {"embedding_width", config.embedding_width},
              {"position_offset", config.position_offset},
              {"embedding_norm", config.embedding_norm},
              {"norm_first", config.norm_first},
              {"relative_buckets", config.relative_buckets},
              {"relative_max_distance", config.relative_max_distance}};
  if (config.head_dropout) out["head_dropout"] = *config.head_dropout;
  if (config.reads_images()) out["image"] = write_image_settings(config.image);
  return out;
}

}  // namespace espalier
