#include "core/export/plain_weights.h"

#include <list>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/families.h"

namespace espalier {
namespace {

size_t elements(const std::vector<int64_t>& shape) {
  return static_cast<size_t>(
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()));
}

// A tensor of a layer by its parts: "layers.3.ffn.up.weight" is layer 3, "ffn.up", ".weight".
struct LayerName {
  int layer = -1;  // none: no layer's
  std::string linear, leaf;
  bool of_attention() const { return linear.starts_with("attention."); }
};

LayerName parse(const std::string& name) {
  LayerName out;
  constexpr size_t kBegin = sizeof("layers.") - 1;
  if (!name.starts_with("layers.")) return out;
  const size_t number = name.find('.', kBegin), leaf = name.rfind('.');
  out.layer = std::stoi(name.substr(kBegin, number - kBegin));
  out.linear = name.substr(number + 1, leaf - number - 1);
  out.leaf = name.substr(leaf);
  return out;
}

// Where a layer's units stand in the full shape.
std::vector<int64_t> places(const LayerShape& layer, bool of_attention) {
  std::vector<int64_t> out;
  if (!of_attention) {
    for (int64_t i = 0; i < layer.neurons; ++i) out.push_back(i);
    return out;
  }
  for (const int64_t head : layer.kept_heads) {
    for (int64_t i = 0; i < layer.head_dim; ++i) out.push_back(head * layer.head_dim + i);
  }
  return out;
}

// Rows, or else columns, of `from` at their places in a tensor of zeros.
Values spread(const Values& from, const std::vector<int64_t>& shape, const std::vector<int64_t>& at,
              bool rows) {
  Values out{shape, std::vector<float>(elements(shape), 0.0f)};
  const auto kept = static_cast<int64_t>(at.size());
  if (rows) {
    const int64_t width = shape.size() == 1 ? 1 : shape[1];
    for (int64_t i = 0; i < kept; ++i)
      std::copy_n(from.data.begin() + i * width, width, out.data.begin() + at[i] * width);
    return out;
  }
  for (int64_t i = 0; i < shape[0]; ++i) {
    for (int64_t j = 0; j < kept; ++j) out.data[i * shape[1] + at[j]] = from.data[i * kept + j];
  }
  return out;
}

// One of the layers' tensors in the full shape.
Values of_layer(const StoredArtifact& artifact, const PlainShape& plain, const LayerName& name,
                const std::vector<int64_t>& shape) {
  const PlainShape::Source& source = plain.layers[name.layer];
  const int from = name.of_attention() ? source.attention : source.ffn;
  const bool is_norm = name.linear.ends_with(".norm"), is_weight = name.leaf == ".weight";
  if (from < 0)
    return {shape, std::vector<float>(elements(shape), is_norm && is_weight ? 1.0f : 0.0f)};
  const std::string linear = absl::StrCat("layers.", from, ".", name.linear);
  Values stored =
      is_weight && !is_norm ? artifact.matrix(linear) : artifact.values(linear + name.leaf);
  if (stored.shape == shape) return stored;
  const bool writes = name.linear == "attention.output" || name.linear == "ffn.down";
  return spread(stored, shape, places(artifact.config.layers[from], name.of_attention()), !writes);
}

Values full_values(const StoredArtifact& artifact, const PlainShape& plain, const std::string& name,
                   const std::vector<int64_t>& shape) {
  if (const LayerName layer = parse(name); layer.layer >= 0)
    return of_layer(artifact, plain, layer, shape);
  const bool stored = artifact.weights.tensors().count(name) > 0;
  return stored ? artifact.values(name)
                : artifact.matrix(name.substr(0, name.rfind('.')));  // a factored one
}

}  // namespace

absl::Status write_plain_weights(const StoredArtifact& artifact, const PlainShape& plain,
                                 const std::string& path) {
  const FamilyFacts& facts = facts_of(plain.config);
  std::list<Values> hold;
  std::vector<TensorView> views;
  for (const auto& [ours, shape] : expected_tensors(plain.config)) {
    const auto names = their_names(plain.config, ours);
    if (names.empty()) {
      return absl::InternalError(
          absl::StrCat(plain.architecture, " has no name for the tensor ", ours));
    }
    const TheirName& theirs = names.front();
    hold.push_back(full_values(artifact, plain, ours, shape));
    views.push_back({theirs.prefixed ? facts.prefix + theirs.name : theirs.name, "F32",
                     their_shape(plain.config, ours, shape), hold.back().data.data()});
  }
  return write_safetensors(path, std::move(views), {{"format", "pt"}});
}

}  // namespace espalier
