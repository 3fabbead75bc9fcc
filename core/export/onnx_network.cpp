#include "core/export/onnx_network.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/spec/relative_bucket.h"

namespace espalier {
namespace {

using Value = OnnxGraph::Value;
using Type = OnnxGraph::Type;

constexpr int64_t kFloatType = 1;  // ONNX's number, for Cast
// Added to the scores of keys that are padding; -inf would make a row without any token NaN.
constexpr float kNever = -1e30f;
const char kBatch[] = "batch_size", kSequence[] = "sequence_length";

Values transposed(const Values& in) {
  const int64_t rows = in.shape[0], columns = in.shape[1];
  Values out{{columns, rows}, {}};
  out.data.resize(in.data.size());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) out.data[j * rows + i] = in.data[i * columns + j];
  }
  return out;
}

// Values are named after the part of the model that they are: "layers.0.attention.query".
class Network {
 public:
  Network(const StoredArtifact& artifact, OnnxGraph& graph)
      : artifact_(artifact), config_(artifact.config), graph_(graph) {}

  Value embed() { return config_.reads_images() ? image() : text(); }
  Value attend(int layer, const Value& x);
  Value feed(int layer, const Value& x);
  // A pre-norm model's last norm; `name` tells the places apart where it is applied.
  Value finish(const std::string& name, const Value& x) {
    return config_.norm_first ? norm("final_norm", name, x) : x;
  }
  void exit(const HeadSpec& head, int number, const Value& x);
  void head(const Value& x);

 private:
  Value add(const char* op, const std::string& name, const std::vector<Value>& inputs,
            const std::vector<OnnxGraph::Attribute>& attributes = {}) {
    return graph_.add(op, name, inputs, attributes);
  }
  Value stored(const std::string& name) {
    return graph_.weight(name, [&] { return artifact_.values(name); });
  }
  // The same with an axis of 1 before it, or several.
  Value stored(const std::string& name, const std::vector<int64_t>& shape) {
    return graph_.weight(name, [&] { return Values{shape, artifact_.values(name).data}; });
  }
  Value product(const std::string& factor, const std::string& name, const Value& x);
  Value linear(const std::string& linear, const Value& x, const std::string& name);
  Value linear(const std::string& name, const Value& x) { return linear(name, x, name); }
  Value norm(const std::string& weights, const std::string& name, const Value& x);
  Value activated(const std::string& how, const std::string& name, const Value& x);
  Value text();
  Value image();
  Value positions(const Value& ids);
  Value bias_by_distance(const Value& ids);
  Value split(const std::string& name, const Value& x, const LayerShape& layer, bool keys);
  Value scores_bias(int layer);
  Value written(const std::string& sublayer, const Value& x, const Value& y);
  Value first(const std::string& name, const Value& x) {
    return add("Gather", name, {x, graph_.index(0)}, {{"axis", 1}});
  }
  Value mean(const Value& x);
  Value sequence_logits(const Value& x, const std::string& name);
  void word_logits(const Value& x);

  const StoredArtifact& artifact_;
  const ModelConfig& config_;
  OnnxGraph& graph_;
  Value mask_, padding_;  // [B,T] of 0 and 1, float; [B,1,1,T], added to scores
  Value distance_bias_;   // [H,T,T]
};

// x [.., K] times the transposed weight: what other exporters write too, so that the runtimes' own
// rules for attention and GELU find it.
Value Network::product(const std::string& factor, const std::string& name, const Value& x) {
  const Value weight = graph_.weight(factor + ".weight.transposed",
                                     [&] { return transposed(artifact_.factor(factor)); });
  return add("MatMul", name, {x, weight});
}

Value Network::linear(const std::string& linear, const Value& x, const std::string& name) {
  Value y = x;
  if (artifact_.is_factored(linear)) {
    y = product(linear + ".down", name + ".down", y);
    y = product(linear + ".up", name + ".up", y);
  } else {
    y = product(linear, name + ".product", y);
  }
  return add("Add", name, {y, stored(linear + ".bias")});
}

Value Network::norm(const std::string& weights, const std::string& name, const Value& x) {
  return add("LayerNormalization", name,
             {x, stored(weights + ".weight"), stored(weights + ".bias")},
             {{"axis", -1}, {"epsilon", static_cast<float>(config_.norm_eps)}});
}

Value Network::activated(const std::string& how, const std::string& name, const Value& x) {
  if (how == "tanh") return add("Tanh", name, {x});
  if (how == "relu") return add("Relu", name, {x});
  Value inner;  // x (1 + inner) / 2
  if (how == "gelu") {
    inner = add("Div", name + ".scaled", {x, graph_.number(std::sqrt(2.0f))});
    inner = add("Erf", name + ".erf", {inner});
  } else {
    const float root = std::sqrt(2.0 / M_PI);
    inner = add("Mul", name + ".square", {x, x});
    inner = add("Mul", name + ".cube", {inner, x});
    inner = add("Mul", name + ".share", {inner, graph_.number(0.044715f)});
    inner = add("Add", name + ".sum", {x, inner});
    inner = add("Mul", name + ".scaled", {inner, graph_.number(root)});
    inner = add("Tanh", name + ".tanh", {inner});
  }
  inner = add("Add", name + ".plus_one", {inner, graph_.number(1)});
  inner = add("Mul", name + ".twice", {x, inner});
  return add("Mul", name, {inner, graph_.number(0.5f)});
}

// Where the first position is row 0 of the table, position t is row t whatever the mask says, as in
// the families' reference; else the attended tokens count, and padding has the row before the
// first.
Value Network::positions(const Value& ids) {
  const Value table = stored("embeddings.position.weight");
  const int64_t offset = config_.position_offset;
  if (offset == 0) {
    const Value length = add("Shape", "length", {ids}, {{"start", 1}, {"end", 2}});
    return add("Slice", "embeddings.position", {table, graph_.list({0}), length, graph_.list({0})});
  }
  Value at = add("CumSum", "positions.counted", {"attention_mask", graph_.index(1)});
  at = add("Mul", "positions.attended", {at, "attention_mask"});
  at = add("Add", "positions", {at, graph_.index(offset - 1)});
  return add("Gather", "embeddings.position", {table, at});
}

// T5's buckets for every distance that fits, looked up at run time: [H,T,T].
Value Network::bias_by_distance(const Value& ids) {
  const int64_t longest = config_.positions, heads = config_.original_heads;
  const Value table = graph_.weight("attention_bias.by_distance", [&] {
    const Values by_bucket = artifact_.values("attention_bias.weight");
    Values out{{2 * longest - 1, heads}, {}};
    for (int64_t distance = 1 - longest; distance < longest; ++distance) {
      const auto row =
          by_bucket.data.begin() + heads * relative_bucket(distance, config_.relative_buckets,
                                                           config_.relative_max_distance);
      out.data.insert(out.data.end(), row, row + heads);
    }
    return out;
  });
  const Value shape = add("Shape", "distances.shape", {ids}, {{"start", 1}, {"end", 2}});
  const Value length = add("Squeeze", "distances.length", {shape, graph_.list({0})});
  const Value range = add("Range", "distances.range", {graph_.index(0), length, graph_.index(1)});
  const Value keys = add("Unsqueeze", "distances.keys", {range, graph_.list({0})});
  const Value queries = add("Unsqueeze", "distances.queries", {range, graph_.list({1})});
  Value row = add("Sub", "distances", {keys, queries});
  row = add("Add", "distances.rows", {row, graph_.index(longest - 1)});
  const Value bias = add("Gather", "attention_bias.by_head_last", {table, row});
  return add("Transpose", "attention_bias", {bias}, {{"perm", std::vector<int64_t>{2, 0, 1}}});
}

Value Network::text() {
  const OnnxGraph::Shape rows = {kBatch, kSequence};
  const Value ids = graph_.input("input_ids", Type::kInt64, rows);
  const Value mask = graph_.input("attention_mask", Type::kInt64, rows);
  Value x = add("Gather", "embeddings.word", {stored("embeddings.word.weight"), ids});
  x = add("Add", "embeddings.placed", {x, positions(ids)});
  if (config_.token_types > 1) {
    const Value types = graph_.input("token_type_ids", Type::kInt64, rows);
    x = add("Add", "embeddings.typed",
            {x, add("Gather", "embeddings.token_type",
                    {stored("embeddings.token_type.weight"), types})});
  } else if (config_.token_types == 1) {
    x = add("Add", "embeddings.typed", {x, stored("embeddings.token_type.weight")});
  }
  if (config_.embedding_norm) x = norm("embeddings.norm", "embeddings.norm", x);
  if (config_.has_projection()) x = linear("embeddings.projection", x);
  mask_ = add("Cast", "mask", {mask}, {{"to", kFloatType}});
  Value padding = add("Sub", "padding.share", {graph_.number(1), mask_});
  padding = add("Mul", "padding.scores", {padding, graph_.number(kNever)});
  padding_ = add("Unsqueeze", "padding", {padding, graph_.list({1, 2})});
  if (config_.relative_buckets > 0) distance_bias_ = bias_by_distance(ids);
  return x;
}

Value Network::image() {
  const int64_t hidden = config_.hidden, channels = config_.channels, side = config_.patch_size;
  const Value pixels =
      graph_.input("pixel_values", Type::kFloat,
                   {kBatch, channels, int64_t{config_.image_size}, int64_t{config_.image_size}});
  Value patches = add("Conv", "embeddings.patch",
                      {pixels, stored("embeddings.patch.weight", {hidden, channels, side, side}),
                       stored("embeddings.patch.bias")},
                      {{"kernel_shape", std::vector<int64_t>{side, side}},
                       {"strides", std::vector<int64_t>{side, side}}});
  patches = add("Reshape", "embeddings.patch.rows", {patches, graph_.list({0, hidden, -1})});
  patches =
      add("Transpose", "embeddings.patches", {patches}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  const Value batch = add("Shape", "batch", {pixels}, {{"start", 0}, {"end", 1}});
  const Value shape =
      add("Concat", "embeddings.token_shape", {batch, graph_.list({1, hidden})}, {{"axis", 0}});
  std::vector<Value> parts = {
      add("Expand", "embeddings.cls.rows", {stored("embeddings.cls", {1, 1, hidden}), shape})};
  if (config_.distillation_token) {
    parts.push_back(add("Expand", "embeddings.distillation.rows",
                        {stored("embeddings.distillation", {1, 1, hidden}), shape}));
  }
  parts.push_back(patches);
  Value x = add("Concat", "embeddings.tokens", parts, {{"axis", 1}});
  x = add("Add", "embeddings.placed", {x, stored("embeddings.position.weight")});
  return config_.embedding_norm ? norm("embeddings.norm", "embeddings.norm", x) : x;
}

// [B,T,h d] -> [B,h,T,d], or of keys [B,h,d,T].
Value Network::split(const std::string& name, const Value& x, const LayerShape& layer, bool keys) {
  const auto heads = static_cast<int64_t>(layer.kept_heads.size());
  const Value by_head =
      add("Reshape", name + ".heads", {x, graph_.list({0, 0, heads, layer.head_dim})});
  const std::vector<int64_t> order =
      keys ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3};
  return add("Transpose", name + ".split", {by_head}, {{"perm", order}});
}

// The columns of a layer's kept heads; "" in models without.
Value Network::scores_bias(int layer) {
  if (distance_bias_.empty()) return "";
  const std::vector<int>& heads = config_.layers[layer].kept_heads;
  if (static_cast<int>(heads.size()) == config_.original_heads) return distance_bias_;
  return add("Gather", absl::StrCat("layers.", layer, ".attention.bias"),
             {distance_bias_, graph_.list({heads.begin(), heads.end()})}, {{"axis", 0}});
}

Value Network::written(const std::string& sublayer, const Value& x, const Value& y) {
  const Value sum = add("Add", sublayer + ".sum", {x, y});
  return config_.norm_first ? sum : norm(sublayer + ".norm", sublayer + ".norm", sum);
}

Value Network::attend(int layer, const Value& x) {
  const LayerShape& shape = config_.layers[layer];
  if (shape.kept_heads.empty()) return x;
  const std::string at = absl::StrCat("layers.", layer, ".attention");
  const Value in = config_.norm_first ? norm(at + ".norm", at + ".norm", x) : x;
  auto heads_of = [&](const char* what, bool keys) {
    const std::string name = absl::StrCat(at, ".", what);
    return split(name, linear(name, in), shape, keys);
  };
  const Value query = heads_of("query", false), key = heads_of("key", true);
  Value scores = add("MatMul", at + ".products", {query, key});
  const auto root = static_cast<float>(std::sqrt(static_cast<double>(shape.head_dim)));
  scores = add("Div", at + ".scores", {scores, graph_.number(root)});
  if (const Value bias = scores_bias(layer); !bias.empty())
    scores = add("Add", at + ".biased", {scores, bias});
  if (!padding_.empty()) scores = add("Add", at + ".masked", {scores, padding_});
  const Value shares = add("Softmax", at + ".shares", {scores}, {{"axis", -1}});
  Value context = add("MatMul", at + ".context.split", {shares, heads_of("value", false)});
  context = add("Transpose", at + ".context.heads", {context},
                {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  const auto width = static_cast<int64_t>(shape.kept_heads.size()) * shape.head_dim;
  context = add("Reshape", at + ".context", {context, graph_.list({0, 0, width})});
  return written(at, x, linear(at + ".output", context));
}

Value Network::feed(int layer, const Value& x) {
  if (config_.layers[layer].neurons == 0) return x;
  const std::string at = absl::StrCat("layers.", layer, ".ffn");
  const Value in = config_.norm_first ? norm(at + ".norm", at + ".norm", x) : x;
  const Value inner = activated(config_.activation, at + ".active", linear(at + ".up", in));
  return written(at, x, linear(at + ".down", inner));
}

void Network::exit(const HeadSpec& head, int number, const Value& x) {
  const Value states = add("Identity", absl::StrCat("hidden_states_", number), {x});
  const Value row = first(head.name + ".row", finish(head.name + ".norm", states));
  const Value features =
      activated("tanh", head.name + ".features", linear(head.name + ".pooler", row));
  const std::string name = absl::StrCat("exit_logits_", number);
  graph_.output(linear(head.name + ".classifier", features, name), {kBatch, int64_t{head.outputs}});
}

// Over the attended tokens, or all of an image's.
Value Network::mean(const Value& x) {
  if (mask_.empty()) {
    return add("ReduceMean", "pooled", {x},
               {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{0}}});
  }
  const Value share = add("Unsqueeze", "pooled.mask", {mask_, graph_.list({2})});
  Value sum = add("Mul", "pooled.attended", {x, share});
  sum = add("ReduceSum", "pooled.sum", {sum, graph_.list({1})}, {{"keepdims", int64_t{0}}});
  const Value count =
      add("ReduceSum", "pooled.count", {mask_, graph_.list({1})}, {{"keepdims", int64_t{1}}});
  return add("Div", "pooled", {sum, count});
}

Value Network::sequence_logits(const Value& x, const std::string& name) {
  Value row = config_.pooling == Pooling::kMean ? mean(x) : first("pooled", x);
  if (config_.pooler_width > 0)
    row = activated(config_.head_activation, "pooler.features", linear("pooler", row));
  return linear("classifier", row, name);
}

void Network::word_logits(const Value& x) {
  Value y = activated(config_.lm_activation, "lm.active", linear("lm.dense", x));
  y = norm("lm.norm", "lm.norm", y);
  // The word table is shared: stored once, and turned when the model is loaded.
  const Value table = add("Transpose", "embeddings.word.weight.transposed",
                          {"embeddings.word.weight"}, {{"perm", std::vector<int64_t>{1, 0}}});
  y = add("MatMul", "lm.product", {y, table});
  graph_.output(add("Add", "logits", {y, stored("lm.bias")}),
                {kBatch, kSequence, int64_t{config_.vocabulary}});
}

void Network::head(const Value& x) {
  const int64_t classes = config_.classes;
  if (config_.head == HeadKind::kSequence) {
    graph_.output(sequence_logits(x, "logits"), {kBatch, classes});
  } else if (config_.head == HeadKind::kMaskedLm) {
    word_logits(x);
    if (classes > 0) graph_.output(sequence_logits(x, "next_sentence_logits"), {kBatch, classes});
  } else if (config_.spans) {
    const Value ends = linear("classifier", x);
    for (const auto& [name, column] : {std::pair{"start_logits", 0}, std::pair{"end_logits", 1}}) {
      const Value logits = add("Gather", name, {ends, graph_.index(column)}, {{"axis", -1}});
      graph_.output(logits, {kBatch, kSequence});
    }
  } else {
    graph_.output(linear("classifier", x, "logits"), {kBatch, kSequence, classes});
  }
}

}  // namespace

std::vector<std::pair<int, int>> asked_exits(const ModelConfig& config) {
  std::vector<std::pair<int, int>> out;
  const int layers = static_cast<int>(config.layers.size());
  for (int layer = 0; layer + 1 < layers; ++layer) {
    for (size_t i = 0; i < config.heads.size(); ++i) {
      const HeadSpec& head = config.heads[i];
      if (head.layer != layer || head.kind != "pooler_classifier") continue;
      out.emplace_back(layer + 1, static_cast<int>(i));
      break;
    }
  }
  return out;
}

void add_network(const StoredArtifact& artifact, bool exits, OnnxGraph& graph) {
  const ModelConfig& config = artifact.config;
  Network network(artifact, graph);
  Value x = network.embed();
  const auto asked = exits ? asked_exits(config) : std::vector<std::pair<int, int>>{};
  auto next = asked.begin();
  for (int layer = 0; layer < static_cast<int>(config.layers.size()); ++layer) {
    x = network.feed(layer, network.attend(layer, x));
    if (next == asked.end() || next->first != layer + 1) continue;
    network.exit(config.heads[next->second], next->first, x);
    x = absl::StrCat("hidden_states_", next->first);
    ++next;
  }
  network.head(network.finish("final_norm", x));
}

}  // namespace espalier
