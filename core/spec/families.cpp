#include "core/spec/families.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace espalier {
namespace {

using HeadNames = std::map<std::string, std::vector<std::string>>;

// Tags and span ends have one Linear, which is called the same everywhere.
const HeadNames kTokenHead = {{"classifier", {"classifier"}}};
const HeadNames kSpanHead = {{"classifier", {"qa_outputs"}}};

FamilyFacts bert() {
  FamilyFacts out;
  out.title = "BERT";
  out.model_type = "bert";
  out.prefix = "bert.";
  out.names.in_layer = {{"attention.query", "attention.self.query"},
                        {"attention.key", "attention.self.key"},
                        {"attention.value", "attention.self.value"},
                        {"attention.output", "attention.output.dense"},
                        {"attention.norm", "attention.output.LayerNorm"},
                        {"ffn.up", "intermediate.dense"},
                        {"ffn.down", "output.dense"},
                        {"ffn.norm", "output.LayerNorm"}};
  out.names.encoder = {{"embeddings.word", "embeddings.word_embeddings"},
                       {"embeddings.position", "embeddings.position_embeddings"},
                       {"embeddings.token_type", "embeddings.token_type_embeddings"},
                       {"embeddings.norm", "embeddings.LayerNorm"},
                       {"pooler", "pooler.dense"}};
  out.names.head = {{HeadKind::kSequence, {{"classifier", {"classifier"}}}},
                    {HeadKind::kToken, kTokenHead},
                    {HeadKind::kMaskedLm,
                     {{"lm.dense", {"cls.predictions.transform.dense"}},
                      {"lm.norm", {"cls.predictions.transform.LayerNorm"}},
                      {"lm.bias", {"cls.predictions.bias", "cls.predictions.decoder.bias"}},
                      {"classifier", {"cls.seq_relationship"}}}}};
  out.defaults.positions = 512;
  out.defaults.token_types = 2;
  out.lm_follows_activation = true;
  return out;
}

// BERT without its pooler, but with a dense layer in the classifier. XLM-R differs in its
// tokenizer alone.
FamilyFacts roberta() {
  FamilyFacts out = bert();
  out.title = "RoBERTa";
  out.model_type = "roberta";
  out.also = {"xlm-roberta"};
  out.prefix = "roberta.";
  out.names.encoder.erase("pooler");
  out.names.head = {{HeadKind::kSequence,
                     {{"pooler", {"classifier.dense"}}, {"classifier", {"classifier.out_proj"}}}},
                    {HeadKind::kToken, kTokenHead},
                    {HeadKind::kMaskedLm,
                     {{"lm.dense", {"lm_head.dense"}},
                      {"lm.norm", {"lm_head.layer_norm"}},
                      {"lm.bias", {"lm_head.bias", "lm_head.decoder.bias"}}}}};
  out.defaults.family = Family::kRoberta;
  out.defaults.pad_id = 1;
  out.defaults.position_offset = 2;
  out.offset_follows_pad = true;
  out.lm_follows_activation = false;
  out.reads_types = false;
  out.drops_before_pooler = true;
  return out;
}

FamilyFacts distilbert() {
  FamilyFacts out = bert();
  out.title = "DistilBERT";
  out.model_type = "distilbert";
  out.prefix = "distilbert.";
  out.keys = {.hidden = "dim",
              .layers = "n_layers",
              .heads = "n_heads",
              .neurons = "hidden_dim",
              .activation = "activation",
              .hidden_dropout = "dropout",
              .attention_dropout = "attention_dropout",
              .norm_eps = "",
              .token_types = "",
              .embedding_width = "",
              .relative_buckets = "",
              .sequence_dropout = "seq_classif_dropout",
              .token_dropout = "",
              .span_dropout = "qa_dropout"};
  out.names.layer = "transformer.layer.";
  out.names.in_layer = {{"attention.query", "attention.q_lin"},
                        {"attention.key", "attention.k_lin"},
                        {"attention.value", "attention.v_lin"},
                        {"attention.output", "attention.out_lin"},
                        {"attention.norm", "sa_layer_norm"},
                        {"ffn.up", "ffn.lin1"},
                        {"ffn.down", "ffn.lin2"},
                        {"ffn.norm", "output_layer_norm"}};
  out.names.encoder.erase("pooler");
  out.names.encoder.erase("embeddings.token_type");
  out.names.head = {
      {HeadKind::kSequence, {{"pooler", {"pre_classifier"}}, {"classifier", {"classifier"}}}},
      {HeadKind::kToken, kTokenHead},
      {HeadKind::kMaskedLm,
       {{"lm.dense", {"vocab_transform"}},
        {"lm.norm", {"vocab_layer_norm"}},
        {"lm.bias", {"vocab_projector.bias"}}}}};
  out.defaults.family = Family::kDistilBert;
  out.defaults.token_types = 0;
  out.reads_types = false;
  out.defaults.head_activation = "relu";
  out.defaults.head_dropout = 0.2;
  out.span_dropout = 0.1;
  return out;
}

// The bias table is 32 buckets whatever config.json says: the reference's bucket function has that
// number built in, like the first position's row.
FamilyFacts mpnet() {
  FamilyFacts out = roberta();
  out.title = "MPNet";
  out.model_type = "mpnet";
  out.also = {};
  out.prefix = "mpnet.";
  out.keys.token_types = "";
  out.keys.relative_buckets = "relative_attention_num_buckets";
  out.keys.sequence_dropout = out.keys.token_dropout = "";
  out.names.in_layer["attention.query"] = "attention.attn.q";
  out.names.in_layer["attention.key"] = "attention.attn.k";
  out.names.in_layer["attention.value"] = "attention.attn.v";
  out.names.in_layer["attention.output"] = "attention.attn.o";
  out.names.in_layer["attention.norm"] = "attention.LayerNorm";
  out.names.encoder.erase("embeddings.token_type");
  out.names.encoder["attention_bias"] = "encoder.relative_attention_bias";
  out.defaults.family = Family::kMpnet;
  out.defaults.token_types = 0;
  out.defaults.relative_buckets = 32;
  out.offset_follows_pad = false;
  return out;
}

// Its masked language model is the generator, which was trained beside the discriminator.
FamilyFacts electra() {
  FamilyFacts out = bert();
  out.title = "ELECTRA";
  out.model_type = "electra";
  out.prefix = "electra.";
  out.keys.embedding_width = "embedding_size";
  out.names.encoder.erase("pooler");
  out.names.encoder["embeddings.projection"] = "embeddings_project";
  out.names.head = {{HeadKind::kSequence,
                     {{"pooler", {"classifier.dense"}}, {"classifier", {"classifier.out_proj"}}}},
                    {HeadKind::kToken, kTokenHead},
                    {HeadKind::kMaskedLm,
                     {{"lm.dense", {"generator_predictions.dense"}},
                      {"lm.norm", {"generator_predictions.LayerNorm"}},
                      {"lm.bias", {"generator_lm_head.bias"}}}}};
  out.defaults.family = Family::kElectra;
  out.defaults.embedding_width = 128;
  out.defaults.head_activation = "gelu";
  out.lm_follows_activation = false;
  out.drops_before_pooler = true;
  return out;
}

FamilyFacts vit() {
  FamilyFacts out = bert();
  out.title = "ViT";
  out.model_type = "vit";
  out.prefix = "vit.";
  out.keys.token_types = "";
  out.keys.sequence_dropout = out.keys.token_dropout = "";
  out.names.in_layer = {{"attention.query", "attention.attention.query"},
                        {"attention.key", "attention.attention.key"},
                        {"attention.value", "attention.attention.value"},
                        {"attention.output", "attention.output.dense"},
                        {"attention.norm", "layernorm_before"},
                        {"ffn.up", "intermediate.dense"},
                        {"ffn.down", "output.dense"},
                        {"ffn.norm", "layernorm_after"}};
  out.names.encoder = {{"embeddings.patch", "embeddings.patch_embeddings.projection"},
                       {"embeddings.cls", "embeddings.cls_token"},
                       {"embeddings.position.weight", "embeddings.position_embeddings"},
                       {"final_norm", "layernorm"}};
  out.names.head = {{HeadKind::kSequence, {{"classifier", {"classifier"}}}}};
  out.defaults.family = Family::kVit;
  out.defaults.token_types = 0;
  out.defaults.embedding_norm = false;
  out.defaults.norm_first = true;
  out.defaults.image_size = 224;
  out.defaults.patch_size = 16;
  out.defaults.channels = 3;
  out.defaults.hidden_dropout = out.defaults.attention_dropout = 0;
  out.defaults.head_dropout = 0;
  return out;
}

// A checkpoint with two classifiers (ForImageClassificationWithTeacher) counts as one without a
// head.
FamilyFacts deit() {
  FamilyFacts out = vit();
  out.title = "DeiT";
  out.model_type = "deit";
  out.prefix = "deit.";
  out.names.encoder["embeddings.distillation"] = "embeddings.distillation_token";
  out.defaults.distillation_token = true;
  out.defaults.image.size = 256;
  out.defaults.image.crop = 224;
  out.defaults.image.resample = 3;
  return out;
}

}  // namespace

const std::string& FamilyFacts::dropout_key(HeadKind kind, bool spans) const {
  if (spans) return keys.span_dropout;
  return kind == HeadKind::kToken ? keys.token_dropout : keys.sequence_dropout;
}

std::optional<double> FamilyFacts::usual_dropout(HeadKind kind, bool spans) const {
  if (spans) return span_dropout;
  return kind == HeadKind::kToken ? std::nullopt : defaults.head_dropout;
}

const std::vector<FamilyFacts>& families() {
  static const std::vector<FamilyFacts> kFamilies = {bert(),    roberta(), distilbert(), mpnet(),
                                                     electra(), vit(),     deit()};
  return kFamilies;
}

const FamilyFacts* find_family(const std::string& model_type) {
  for (const FamilyFacts& facts : families()) {
    const bool also =
        std::find(facts.also.begin(), facts.also.end(), model_type) != facts.also.end();
    if (facts.model_type == model_type || also) return &facts;
  }
  return nullptr;
}

const FamilyFacts& facts_of(const ModelConfig& config) {
  for (const FamilyFacts& facts : families()) {
    if (facts.defaults.family == config.family &&
        facts.defaults.distillation_token == config.distillation_token) {
      return facts;
    }
  }
  return families().front();
}

std::string known_model_types() {
  std::vector<std::string> names;
  for (const FamilyFacts& facts : families()) {
    names.push_back(facts.model_type);
    names.insert(names.end(), facts.also.begin(), facts.also.end());
  }
  return absl::StrJoin(names, ", ");
}

void change_head(ModelConfig& config, HeadKind kind, bool spans) {
  const FamilyFacts& facts = facts_of(config);
  const bool one_key = spans == config.spans && facts.dropout_key(kind, spans) ==
                                                    facts.dropout_key(config.head, config.spans);
  if (!one_key) config.head_dropout = facts.usual_dropout(kind, spans);
  config.head = kind;
  config.spans = spans;
}

std::vector<TheirName> their_names(const ModelConfig& config, const std::string& ours) {
  const WeightNames& names = facts_of(config).names;
  const size_t dot = std::min(ours.rfind('.'), ours.size());
  std::string stem = ours.substr(0, dot), leaf = ours.substr(dot);
  const bool has_leaf = leaf == ".weight" || leaf == ".bias";
  const auto found = names.head.find(config.head);
  const HeadNames* head = found == names.head.end() ? nullptr : &found->second;
  if (config.spans) head = &kSpanHead;
  // The whole name first: "lm.bias" belongs to no Linear.
  for (const auto& [key, rest] : {std::pair{ours, std::string()}, std::pair{stem, leaf}}) {
    if (!rest.empty() && !has_leaf) break;
    if (auto it = names.encoder.find(key); it != names.encoder.end()) {
      return {{it->second + rest, true}};
    }
    if (head == nullptr) continue;
    if (auto it = head->find(key); it != head->end()) {
      std::vector<TheirName> out;
      for (const std::string& name : it->second) out.push_back({name + rest, false});
      return out;
    }
  }
  if (!has_leaf || !absl::StartsWith(stem, "layers.")) return {};
  const size_t end = stem.find('.', 7);
  if (end == std::string::npos) return {};
  auto it = names.in_layer.find(stem.substr(end + 1));
  if (it == names.in_layer.end()) return {};
  return {{absl::StrCat(names.layer, stem.substr(7, end - 7), ".", it->second, leaf), true}};
}

std::vector<int64_t> their_shape(const ModelConfig& config, const std::string& ours,
                                 const std::vector<int64_t>& shape) {
  if (!config.reads_images()) return shape;
  if (ours == "embeddings.patch.weight") {
    return {config.hidden, config.channels, config.patch_size, config.patch_size};
  }
  if (ours == "embeddings.cls" || ours == "embeddings.distillation") return {1, 1, config.hidden};
  if (ours == "embeddings.position.weight") return {1, shape[0], shape[1]};
  return shape;
}

StatedHead stated_head(const FamilyFacts& facts, Fields& config) {
  StatedHead out;
  std::vector<std::string> architectures;
  config.strings("architectures", architectures);
  config.boolean("tie_word_embeddings", out.tied);
  const bool follows = facts.names.head.count(HeadKind::kMaskedLm) > 0 &&
                       facts.names.head.at(HeadKind::kMaskedLm).count("classifier") > 0;
  for (const std::string& name : architectures) {
    auto is_for = [&](const char* task) { return absl::EndsWith(name, absl::StrCat("For", task)); };
    if (is_for("SequenceClassification") || is_for("ImageClassification")) {
      out.kind = HeadKind::kSequence;
    } else if (is_for("TokenClassification") || is_for("QuestionAnswering")) {
      out.kind = HeadKind::kToken;
      out.spans = is_for("QuestionAnswering");
    } else if (is_for("MaskedLM") || (follows && is_for("PreTraining"))) {
      out.kind = HeadKind::kMaskedLm;
      out.next_sentence = is_for("PreTraining");
    }
  }
  const bool known = out.kind && facts.names.head.count(*out.kind) > 0;
  if (!known || (out.kind == HeadKind::kMaskedLm && !out.tied)) {
    out.kind.reset();
    out.spans = out.next_sentence = false;
  }
  return out;
}

std::string known_activation(const std::string& theirs) {
  static const std::map<std::string, std::string> kKnown = {{"gelu", "gelu"},
                                                            {"gelu_new", "gelu_new"},
                                                            {"gelu_python", "gelu"},
                                                            {"gelu_pytorch_tanh", "gelu_new"},
                                                            {"relu", "relu"}};
  auto it = kKnown.find(theirs);
  return it == kKnown.end() ? "" : it->second;
}

}  // namespace espalier
