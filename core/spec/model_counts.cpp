#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/spec/linear_slots.h"
#include "core/spec/model_config.h"

namespace espalier {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

void add_norm(Shapes& out, const std::string& name, int64_t width) {
  out[name + ".weight"] = {width};
  out[name + ".bias"] = {width};
}

double elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), 1.0,
                         [](double a, int64_t b) { return a * b; });
}

// Multiply-accumulates of one row.
double row_macs(const LinearSlot& slot, const LinearShape& shape) {
  if (shape.kind == LinearShape::Kind::kFactored) {
    return static_cast<double>(shape.rank) * static_cast<double>(slot.inputs + slot.outputs);
  }
  return static_cast<double>(slot.inputs) * static_cast<double>(slot.outputs);
}

// The task head's, see HeadKind. A classifier beside a masked language model follows sentences.
void add_head_slots(const ModelConfig& config, std::vector<LinearSlot>& out) {
  using Place = LinearSlot::Place;
  const int64_t hidden = config.hidden;
  const int64_t features = config.pooler_width > 0 ? config.pooler_width : hidden;
  const bool every_token = config.head == HeadKind::kToken;
  if (config.head == HeadKind::kMaskedLm) {
    out.push_back({"lm.dense", config.embedding_columns(), hidden, Place::kTokenHead});
  }
  if (config.pooler_width > 0) {
    out.push_back({"pooler", features, hidden, every_token ? Place::kTokenHead : Place::kHead});
  }
  if (config.classes > 0) {
    out.push_back(
        {"classifier", config.classes, features, every_token ? Place::kTokenHead : Place::kHead});
  }
}

bool is_mask(const std::string& name) {
  return name.size() > 5 && name.compare(name.size() - 5, 5, ".mask") == 0;
}

}  // namespace

std::vector<LinearSlot> linear_slots(const ModelConfig& config) {
  using Place = LinearSlot::Place;
  std::vector<LinearSlot> out;
  const int64_t hidden = config.hidden;
  if (config.reads_images()) {
    const int64_t pixels = int64_t{config.channels} * config.patch_size * config.patch_size;
    out.push_back({"embeddings.patch", hidden, pixels, Place::kPatch});
  }
  if (config.has_projection()) {
    out.push_back({"embeddings.projection", hidden, config.embedding_width, Place::kEmbedding});
  }
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    const LayerShape& layer = config.layers[i];
    const std::string prefix = absl::StrCat("layers.", i, ".");
    if (const int64_t width = static_cast<int64_t>(config.head_count(i)) * layer.head_dim;
        width > 0) {
      for (const char* name : {"query", "key", "value"}) {
        out.push_back({absl::StrCat(prefix, "attention.", name), width, hidden, Place::kLayer, i});
      }
      out.push_back({prefix + "attention.output", hidden, width, Place::kLayer, i});
    }
    if (layer.neurons > 0) {
      out.push_back({prefix + "ffn.up", layer.neurons, hidden, Place::kLayer, i});
      out.push_back({prefix + "ffn.down", hidden, layer.neurons, Place::kLayer, i});
    }
  }
  add_head_slots(config, out);
  for (const HeadSpec& head : config.heads) {
    out.push_back({head.name + ".pooler", head.width, hidden, Place::kExit});
    out.push_back({head.name + ".classifier", head.outputs, head.width, Place::kExit});
  }
  return out;
}

LinearShape stored_shape(const ModelConfig& config, const std::string& name) {
  auto it = config.linears.find(name);
  return it == config.linears.end() ? LinearShape{} : it->second;
}

Shapes expected_tensors(const ModelConfig& config) {
  Shapes out;
  const int64_t hidden = config.hidden;
  const int64_t columns = config.embedding_columns();
  if (config.vocabulary > 0) out["embeddings.word.weight"] = {config.vocabulary, columns};
  out["embeddings.position.weight"] = {int64_t{config.positions} + config.position_offset, columns};
  if (config.token_types > 0) out["embeddings.token_type.weight"] = {config.token_types, columns};
  if (config.embedding_norm) add_norm(out, "embeddings.norm", columns);
  if (config.reads_images()) out["embeddings.cls"] = {hidden};
  if (config.distillation_token) out["embeddings.distillation"] = {hidden};
  if (config.relative_buckets > 0) {
    out["attention_bias.weight"] = {config.relative_buckets, config.original_heads};
  }
  if (config.norm_first) add_norm(out, "final_norm", hidden);
  if (config.head == HeadKind::kMaskedLm) {
    add_norm(out, "lm.norm", columns);
    out["lm.bias"] = {config.vocabulary};
  }
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    const std::string prefix = absl::StrCat("layers.", i, ".");
    if (config.head_count(i) > 0) add_norm(out, prefix + "attention.norm", hidden);
    if (config.layers[i].neurons > 0) add_norm(out, prefix + "ffn.norm", hidden);
  }
  for (const LinearSlot& slot : linear_slots(config)) {
    const LinearShape shape = stored_shape(config, slot.name);
    if (shape.kind == LinearShape::Kind::kFactored) {
      out[slot.name + ".down.weight"] = {shape.rank, slot.inputs};
      out[slot.name + ".up.weight"] = {slot.outputs, shape.rank};
    } else {
      out[slot.name + ".weight"] = {slot.outputs, slot.inputs};
    }
    if (shape.kind == LinearShape::Kind::kMasked)
      out[slot.name + ".mask"] = {slot.outputs, slot.inputs};
    out[slot.name + ".bias"] = {slot.outputs};
  }
  return out;
}

Counts count(const ModelConfig& config, int tokens) {
  Counts out;
  for (const auto& [name, shape] : expected_tensors(config)) {
    if (is_mask(name)) continue;
    const double size = elements(shape);
    out.parameters += size;
    if (name.rfind("layers.", 0) == 0) out.encoder_parameters += size;
  }
  const double rows = tokens;
  out.layer_macs.assign(config.layers.size(), 0.0);
  for (const LinearSlot& slot : linear_slots(config)) {
    const double macs = row_macs(slot, stored_shape(config, slot.name));
    switch (slot.place) {
      case LinearSlot::Place::kLayer:
        out.layer_macs[slot.layer] += rows * macs;
        break;
      case LinearSlot::Place::kEmbedding:
      case LinearSlot::Place::kTokenHead:
        out.macs += rows * macs;
        break;
      case LinearSlot::Place::kPatch:
        out.macs += config.patches() * macs;
        break;
      case LinearSlot::Place::kHead:
        out.macs += macs;
        break;
      case LinearSlot::Place::kExit:
        out.exit_macs += macs;
        break;
    }
  }
  if (config.head == HeadKind::kMaskedLm) {
    out.macs += rows * config.vocabulary * config.embedding_columns();
  }
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    // Scores (Q K^T) and context (scores V), each n x n x width.
    out.layer_macs[i] += 2.0 * rows * rows * config.head_count(i) * config.layers[i].head_dim;
    out.macs += out.layer_macs[i];
  }
  return out;
}

}  // namespace espalier
