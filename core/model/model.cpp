#include "core/model/model.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/random.h"
#include "core/spec/families.h"

namespace espalier {
namespace {

using Visit = std::function<void(const std::string&, Tensor&)>;

void visit_linear(const std::string& name, Linear& linear, const Visit& visit) {
  if (linear.weight.defined()) visit(name + ".weight", linear.weight);
  if (linear.mask.defined()) visit(name + ".mask", linear.mask);
  if (linear.down.defined()) visit(name + ".down.weight", linear.down);
  if (linear.up.defined()) visit(name + ".up.weight", linear.up);
  if (linear.bias.defined()) visit(name + ".bias", linear.bias);
}

void visit_norm(const std::string& name, Norm& norm, const Visit& visit) {
  if (norm.weight.defined()) visit(name + ".weight", norm.weight);
  if (norm.bias.defined()) visit(name + ".bias", norm.bias);
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

Linear random_linear(int64_t outputs, int64_t inputs, at::Generator& generator) {
  Linear linear;
  linear.weight = at::empty({outputs, inputs}).normal_(0.0, 0.02, generator);
  linear.bias = at::zeros({outputs});
  return linear;
}

}  // namespace

void Model::for_each(const Visit& visit) {
  if (word.defined()) visit("embeddings.word.weight", word);
  if (position.defined()) visit("embeddings.position.weight", position);
  if (token_type.defined()) visit("embeddings.token_type.weight", token_type);
  if (cls_token.defined()) visit("embeddings.cls", cls_token);
  if (distillation_token.defined()) visit("embeddings.distillation", distillation_token);
  visit_linear("embeddings.patch", patch, visit);
  visit_norm("embeddings.norm", embedding_norm, visit);
  visit_linear("embeddings.projection", projection, visit);
  if (attention_bias.defined()) visit("attention_bias.weight", attention_bias);
  for (size_t i = 0; i < layers.size(); ++i) {
    Layer& layer = layers[i];
    std::string prefix = absl::StrCat("layers.", i, ".");
    visit_linear(prefix + "attention.query", layer.query, visit);
    visit_linear(prefix + "attention.key", layer.key, visit);
    visit_linear(prefix + "attention.value", layer.value, visit);
    visit_linear(prefix + "attention.output", layer.output, visit);
    visit_norm(prefix + "attention.norm", layer.attention_norm, visit);
    visit_linear(prefix + "ffn.up", layer.up, visit);
    visit_linear(prefix + "ffn.down", layer.down, visit);
    visit_norm(prefix + "ffn.norm", layer.ffn_norm, visit);
  }
  visit_norm("final_norm", final_norm, visit);
  visit_linear("pooler", pooler, visit);
  visit_linear("classifier", classifier, visit);
  visit_linear("lm.dense", lm_dense, visit);
  visit_norm("lm.norm", lm_norm, visit);
  if (lm_bias.defined()) visit("lm.bias", lm_bias);
  for (size_t i = 0; i < heads.size(); ++i) {
    visit_linear(config.heads[i].name + ".pooler", heads[i].pooler, visit);
    visit_linear(config.heads[i].name + ".classifier", heads[i].classifier, visit);
  }
}

void Model::for_each(const std::function<void(const std::string&, const Tensor&)>& visit) const {
  const_cast<Model*>(this)->for_each(
      Visit([&](const std::string& name, Tensor& tensor) { visit(name, tensor); }));
}

void Model::for_each_linear(const std::function<void(const std::string&, Linear&)>& visit) {
  for (size_t i = 0; i < layers.size(); ++i) {
    Layer& layer = layers[i];
    std::string prefix = absl::StrCat("layers.", i, ".");
    if (layer.has_attention()) {
      visit(prefix + "attention.query", layer.query);
      visit(prefix + "attention.key", layer.key);
      visit(prefix + "attention.value", layer.value);
      visit(prefix + "attention.output", layer.output);
    }
    if (layer.has_ffn()) {
      visit(prefix + "ffn.up", layer.up);
      visit(prefix + "ffn.down", layer.down);
    }
  }
}

std::map<std::string, Tensor> Model::tensors() const {
  std::map<std::string, Tensor> out;
  for_each([&](const std::string& name, const Tensor& tensor) { out[name] = tensor; });
  return out;
}

Model Model::clone() const {
  Model copy = *this;
  copy.for_each(
      Visit([](const std::string&, Tensor& tensor) { tensor = tensor.detach().clone(); }));
  return copy;
}

void Model::copy_values(const Model& other) {
  torch::NoGradGuard no_grad;
  const std::map<std::string, Tensor> values = other.tensors();
  for_each(Visit([&](const std::string& name, Tensor& tensor) { tensor.copy_(values.at(name)); }));
}

Model Model::to(torch::Device device) const {
  Model copy = *this;
  copy.for_each(
      Visit([&](const std::string&, Tensor& tensor) { tensor = tensor.detach().to(device); }));
  return copy;
}

void Model::set_requires_grad(bool requires_grad) {
  for_each(Visit([&](const std::string& name, Tensor& tensor) {
    if (!name.ends_with(".mask")) tensor.set_requires_grad(requires_grad);
  }));
}

void Model::attach_head(const std::string& name, int layer, int outputs, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  HeadModule head;
  bool copy = pooler.defined() && !pooler.factored();
  int64_t width = copy ? pooler.outputs() : config.hidden;
  if (copy) {
    head.pooler.weight = pooler.effective_weight().detach().clone();
    head.pooler.bias = pooler.bias.detach().clone();
  } else {
    head.pooler = random_linear(width, config.hidden, generator);
  }
  head.classifier = random_linear(outputs, width, generator);
  heads.push_back(std::move(head));
  config.heads.push_back({name, layer, "pooler_classifier", static_cast<int>(width), outputs});
}

void Model::reset_classifier(int classes, uint64_t seed, HeadKind kind, bool spans) {
  auto generator = at::detail::createCPUGenerator(seed);
  const bool speaks = kind == HeadKind::kMaskedLm;
  const bool reads_row = speaks ? classes > 0 : kind == HeadKind::kSequence;
  if (!reads_row || !facts_of(config).pools()) {
    pooler = Linear();
  } else if (!pooler.defined()) {
    pooler = random_linear(config.hidden, config.hidden, generator);
  }
  if (!speaks) {
    lm_dense = Linear();
    lm_norm = Norm();
    lm_bias = Tensor();
  } else if (!lm_dense.defined()) {
    const int64_t columns = config.embedding_columns();
    lm_dense = random_linear(columns, config.hidden, generator);
    lm_norm = {at::ones({columns}), at::zeros({columns})};
    lm_bias = at::zeros({config.vocabulary});
  }
  classifier = Linear();
  if (classes > 0) {
    classifier =
        random_linear(classes, pooler.defined() ? pooler.outputs() : config.hidden, generator);
  }
  change_head(config, kind, spans);
  config.pooler_width = pooler.defined() ? static_cast<int>(pooler.outputs()) : 0;
  config.classes = classes;
}

bool Model::reorder_classifier(const std::vector<std::string>& labels) {
  const std::vector<std::string>& now = config.label_names;
  auto numbered = [](const std::vector<std::string>& names, const char* prefix) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] != absl::StrCat(prefix, i)) return false;
    }
    return true;
  };
  if (static_cast<int>(labels.size()) != config.classes) return false;
  if (numbered(now, "LABEL_") || numbered(labels, "")) return true;
  std::vector<int64_t> rows;
  for (const std::string& label : labels) {
    auto found = std::find_if(now.begin(), now.end(), [&](const std::string& name) {
      return absl::EqualsIgnoreCase(name, label);
    });
    if (found == now.end()) return false;
    rows.push_back(found - now.begin());
  }
  torch::NoGradGuard no_grad;
  Tensor index = torch::tensor(rows, torch::kInt64).to(classifier.weight.device());
  classifier.weight = classifier.weight.index_select(0, index);
  classifier.bias = classifier.bias.index_select(0, index);
  config.label_names = labels;
  return true;
}

absl::StatusOr<Model> assemble_model(const ModelConfig& config,
                                     std::map<std::string, Tensor> tensors) {
  auto expected = expected_tensors(config);
  for (const auto& [name, shape] : expected) {
    auto found = tensors.find(name);
    if (found == tensors.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " ", shape_text(shape), " is missing from the weights"));
    }
    if (found->second.sizes().vec() != shape) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " has shape ", shape_text(found->second.sizes().vec()),
                       " but config.json asks for ", shape_text(shape)));
    }
  }
  auto take = [&](const std::string& name) {
    auto it = tensors.find(name);
    return it == tensors.end() || !expected.contains(name) ? Tensor() : it->second;
  };
  auto linear = [&](const std::string& name) {
    Linear out;
    out.weight = take(name + ".weight");
    out.bias = take(name + ".bias");
    out.mask = take(name + ".mask");
    if (out.mask.defined()) out.mask = out.mask.to(out.weight.dtype());
    out.down = take(name + ".down.weight");
    out.up = take(name + ".up.weight");
    return out;
  };
  auto norm = [&](const std::string& name) {
    return Norm{take(name + ".weight"), take(name + ".bias")};
  };

  Model model;
  model.config = config;
  model.word = take("embeddings.word.weight");
  model.position = take("embeddings.position.weight");
  model.token_type = take("embeddings.token_type.weight");
  model.cls_token = take("embeddings.cls");
  model.distillation_token = take("embeddings.distillation");
  model.patch = linear("embeddings.patch");
  model.embedding_norm = norm("embeddings.norm");
  model.projection = linear("embeddings.projection");
  model.attention_bias = take("attention_bias.weight");
  model.final_norm = norm("final_norm");
  model.lm_dense = linear("lm.dense");
  model.lm_norm = norm("lm.norm");
  model.lm_bias = take("lm.bias");
  for (size_t i = 0; i < config.layers.size(); ++i) {
    std::string prefix = absl::StrCat("layers.", i, ".");
    model.layers.push_back({linear(prefix + "attention.query"), linear(prefix + "attention.key"),
                            linear(prefix + "attention.value"), linear(prefix + "attention.output"),
                            norm(prefix + "attention.norm"), linear(prefix + "ffn.up"),
                            linear(prefix + "ffn.down"), norm(prefix + "ffn.norm")});
  }
  model.pooler = linear("pooler");
  model.classifier = linear("classifier");
  for (const HeadSpec& head : config.heads) {
    model.heads.push_back({linear(head.name + ".pooler"), linear(head.name + ".classifier")});
  }
  return model;
}

Model random_model(const ModelConfig& config, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, shape] : expected_tensors(config)) {
    bool norm = name.find("norm") != std::string::npos;
    if (name.ends_with(".bias")) {
      tensors[name] = at::zeros(shape);
    } else if (norm || name.ends_with(".mask")) {
      tensors[name] = at::ones(shape);
    } else {
      tensors[name] = at::empty(shape).normal_(0.0, 0.02, generator);
    }
  }
  auto model = assemble_model(config, std::move(tensors));
  TORCH_CHECK(model.ok(), model.status().ToString());
  return *std::move(model);
}

}  // namespace espalier
