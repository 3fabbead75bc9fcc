#include "core/spec/families.h"

#include "tests/core/spec/checkpoint.h"
#include "tests/core/spec/small_families.h"

namespace espalier {
namespace {

using testing::Checkpoint;
using testing::read_small;
using testing::Refuses;
using testing::small;

absl::Status read_with(const std::string& model_type, const Json& changes) {
  Json json = small(model_type);
  json.update(changes);
  return read_model_config(json).status();
}

const char* const kTextTypes[] = {"bert",       "roberta", "xlm-roberta",
                                  "distilbert", "mpnet",   "electra"};

// transformers 4.57.6: sum(p.numel() for p in BertForMaskedLM(config).parameters()) and so on, with
// the sizes above and num_labels 3 where there are labels.
TEST(Families, HaveAsManyParametersAsTheReference) {
  const struct {
    const char *model_type, *task;
    double parameters;
  } kCases[] = {
      {"bert", "ForSequenceClassification", 1363},
      {"bert", "ForTokenClassification", 1291},
      {"bert", "ForQuestionAnswering", 1282},
      {"bert", "ForMaskedLM", 1363},
      {"bert", "ForPreTraining", 1453},
      {"roberta", "ForSequenceClassification", 1363},
      {"roberta", "ForTokenClassification", 1291},
      {"roberta", "ForQuestionAnswering", 1282},
      {"roberta", "ForMaskedLM", 1363},
      {"xlm-roberta", "ForSequenceClassification", 1363},
      {"distilbert", "ForSequenceClassification", 1347},
      {"distilbert", "ForTokenClassification", 1275},
      {"distilbert", "ForQuestionAnswering", 1266},
      {"distilbert", "ForMaskedLM", 1347},
      {"mpnet", "ForSequenceClassification", 1411},
      {"mpnet", "ForTokenClassification", 1339},
      {"mpnet", "ForQuestionAnswering", 1330},
      {"mpnet", "ForMaskedLM", 1411},
      {"electra", "ForSequenceClassification", 1303},
      {"electra", "ForTokenClassification", 1231},
      {"electra", "ForQuestionAnswering", 1222},
      {"electra", "ForMaskedLM", 1259},
      {"vit", "ForImageClassification", 1547},
      {"deit", "ForImageClassification", 1563},
  };
  for (const auto& c : kCases) {
    Json json = small(c.model_type, c.task);
    if (std::string(c.task).find("Class") != std::string::npos) json["num_labels"] = 3;
    auto config = read_model_config(json);
    ASSERT_TRUE(config.ok()) << c.model_type << c.task << config.status();
    EXPECT_EQ(count(*config, 1).parameters, c.parameters) << c.model_type << c.task;
  }
}

// Names as save_pretrained writes them, transformers 4.57.6.
TEST(Families, StoreTensorsUnderTheirOwnNames) {
  const struct {
    const char *model_type, *task, *ours, *theirs;
    bool prefixed;
  } kCases[] = {
      {"bert", "ForSequenceClassification", "pooler.weight", "pooler.dense.weight", true},
      {"bert", "ForPreTraining", "classifier.bias", "cls.seq_relationship.bias", false},
      {"bert", "ForMaskedLM", "lm.dense.weight", "cls.predictions.transform.dense.weight", false},
      {"bert", "ForMaskedLM", "lm.norm.bias", "cls.predictions.transform.LayerNorm.bias", false},
      {"bert", "ForMaskedLM", "lm.bias", "cls.predictions.bias", false},
      {"roberta", "ForSequenceClassification", "pooler.bias", "classifier.dense.bias", false},
      {"roberta", "ForSequenceClassification", "classifier.bias", "classifier.out_proj.bias",
       false},
      {"roberta", "ForTokenClassification", "classifier.bias", "classifier.bias", false},
      {"roberta", "ForMaskedLM", "lm.norm.weight", "lm_head.layer_norm.weight", false},
      {"roberta", "Model", "layers.1.ffn.norm.weight", "encoder.layer.1.output.LayerNorm.weight",
       true},
      {"distilbert", "Model", "layers.1.attention.query.weight",
       "transformer.layer.1.attention.q_lin.weight", true},
      {"distilbert", "Model", "layers.0.attention.norm.bias",
       "transformer.layer.0.sa_layer_norm.bias", true},
      {"distilbert", "Model", "layers.0.ffn.up.bias", "transformer.layer.0.ffn.lin1.bias", true},
      {"distilbert", "Model", "layers.0.ffn.norm.bias",
       "transformer.layer.0.output_layer_norm.bias", true},
      {"distilbert", "ForSequenceClassification", "pooler.weight", "pre_classifier.weight", false},
      {"distilbert", "ForMaskedLM", "lm.dense.bias", "vocab_transform.bias", false},
      {"distilbert", "ForMaskedLM", "lm.bias", "vocab_projector.bias", false},
      {"mpnet", "Model", "layers.0.attention.key.weight", "encoder.layer.0.attention.attn.k.weight",
       true},
      {"mpnet", "Model", "layers.0.attention.output.bias", "encoder.layer.0.attention.attn.o.bias",
       true},
      {"mpnet", "Model", "layers.0.attention.norm.bias", "encoder.layer.0.attention.LayerNorm.bias",
       true},
      {"mpnet", "Model", "attention_bias.weight", "encoder.relative_attention_bias.weight", true},
      {"mpnet", "ForMaskedLM", "lm.bias", "lm_head.bias", false},
      {"electra", "Model", "embeddings.projection.weight", "embeddings_project.weight", true},
      {"electra", "ForSequenceClassification", "classifier.weight", "classifier.out_proj.weight",
       false},
      {"electra", "ForMaskedLM", "lm.norm.weight", "generator_predictions.LayerNorm.weight", false},
      {"electra", "ForMaskedLM", "lm.bias", "generator_lm_head.bias", false},
      {"vit", "Model", "embeddings.patch.bias", "embeddings.patch_embeddings.projection.bias",
       true},
      {"vit", "Model", "embeddings.cls", "embeddings.cls_token", true},
      {"vit", "Model", "embeddings.position.weight", "embeddings.position_embeddings", true},
      {"vit", "Model", "layers.0.attention.norm.bias", "encoder.layer.0.layernorm_before.bias",
       true},
      {"vit", "Model", "layers.0.attention.value.bias",
       "encoder.layer.0.attention.attention.value.bias", true},
      {"vit", "Model", "layers.0.ffn.norm.bias", "encoder.layer.0.layernorm_after.bias", true},
      {"vit", "Model", "final_norm.weight", "layernorm.weight", true},
      {"deit", "Model", "embeddings.distillation", "embeddings.distillation_token", true},
  };
  for (const auto& c : kCases) {
    const auto names = their_names(read_small(c.model_type, c.task), c.ours);
    ASSERT_FALSE(names.empty()) << c.model_type << c.ours;
    EXPECT_EQ(names[0].name, c.theirs);
    EXPECT_EQ(names[0].prefixed, c.prefixed) << c.theirs;
  }
}

TEST(Families, LoadWithTheirPrefixAndEveryHead) {
  for (const FamilyFacts& facts : families()) {
    for (const char* task : {"ForSequenceClassification", "ForImageClassification",
                             "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM"}) {
      const Json json = small(facts.model_type, task);
      const ModelConfig wanted = *read_model_config(json);
      auto folder = Checkpoint(json.dump(), facts.prefix).inspect();
      ASSERT_TRUE(folder.ok()) << facts.title << task << folder.status();
      EXPECT_EQ(folder->name_prefix, facts.prefix);
      EXPECT_EQ(folder->config.head, wanted.head) << facts.title << task;
      EXPECT_EQ(folder->config.spans, wanted.spans) << facts.title << task;
      EXPECT_EQ(expected_tensors(folder->config), expected_tensors(wanted)) << facts.title << task;
    }
  }
}

TEST(Families, ComeBackAsTheyWereWritten) {
  for (const FamilyFacts& facts : families()) {
    for (const char* task :
         {"Model", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM"}) {
      ModelConfig config = read_small(facts.model_type, task);
      config.layers[0] = {{1}, 4, 5};
      config.layers[1] = {{}, 4, 12};
      config.pooling = Pooling::kMean;
      config.head_dropout = 0.25;
      config.activation = "gelu_new";
      config.image.resample = 3;
      const Json json = write_model_config(config);
      auto back = read_model_config(json);
      ASSERT_TRUE(back.ok()) << facts.title << task << back.status();
      EXPECT_EQ(write_model_config(*back), json);
      EXPECT_EQ(expected_tensors(*back), expected_tensors(config));
      EXPECT_EQ(back->family, config.family);
      EXPECT_EQ(back->head, config.head);
      EXPECT_EQ(back->spans, config.spans);
      EXPECT_EQ(back->pooling, Pooling::kMean);
      EXPECT_EQ(back->positions, config.positions);
      EXPECT_EQ(back->head_dropout, 0.25);
    }
  }
}

TEST(Families, KeepTraitsThatAreNotTheirOwn) {
  ModelConfig config = read_small("bert");
  config.norm_first = true;
  config.relative_buckets = 8;
  config.position_offset = 2;
  config.embedding_width = 8;  // a projection between equal widths, as pruning can leave one
  config.head_dropout.reset();
  auto back = read_model_config(write_model_config(config));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(expected_tensors(*back), expected_tensors(config));
  EXPECT_TRUE(back->norm_first && back->has_projection());
  EXPECT_EQ(back->positions, config.positions);
}

TEST(Families, OfTheFirstFormatStayReadable) {
  // config.json of an artifact from before there were families.
  auto config = read_model_config(Json::parse(
      R"({"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 11,
      "max_position_embeddings": 10, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
      "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
      "pad_token_id": 0, "num_attention_heads": 2, "intermediate_size": 12,
      "espalier": {"original_heads": 2, "head_dim": 4, "layers": [{"heads": [1], "neurons": 3}],
      "linears": {}, "heads": [], "pooler_width": 5, "classes": 3}})"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head, HeadKind::kSequence);
  EXPECT_EQ(config->head_activation, "tanh");
  EXPECT_EQ(config->pooler_width, 5);
  EXPECT_FALSE(config->head_dropout.has_value());
  EXPECT_EQ(config->embedding_columns(), 8);
}

TEST(Families, DifferWhereTheReferenceDoes) {
  EXPECT_EQ(read_small("bert").positions, 10);
  const ModelConfig roberta = read_small("roberta");
  EXPECT_EQ(roberta.position_offset, 2);
  EXPECT_EQ(roberta.positions, 8);
  EXPECT_EQ(expected_tensors(roberta)["embeddings.position.weight"], (std::vector<int64_t>{10, 8}));
  const ModelConfig distilbert = read_small("distilbert", "ForSequenceClassification");
  EXPECT_EQ(distilbert.token_types, 0);
  EXPECT_EQ(distilbert.head_activation, "relu");
  EXPECT_EQ(distilbert.head_dropout, 0.2);
  EXPECT_EQ(read_small("distilbert", "ForQuestionAnswering").head_dropout, 0.1);
  EXPECT_EQ(read_small("bert", "ForQuestionAnswering").head_dropout, 0.0);
  EXPECT_EQ(read_small("electra").head_activation, "gelu");
  auto mpnet = expected_tensors(read_small("mpnet"));
  EXPECT_EQ(mpnet["attention_bias.weight"], (std::vector<int64_t>{32, 2}));
  EXPECT_EQ(mpnet.count("embeddings.token_type.weight"), 0u);
}

TEST(Families, PutAProjectionWhereTheTablesAreNarrow) {
  auto tensors = expected_tensors(read_small("electra", "ForMaskedLM"));
  EXPECT_EQ(tensors["embeddings.word.weight"], (std::vector<int64_t>{11, 4}));
  EXPECT_EQ(tensors["embeddings.norm.bias"], (std::vector<int64_t>{4}));
  EXPECT_EQ(tensors["embeddings.projection.weight"], (std::vector<int64_t>{8, 4}));
  EXPECT_EQ(tensors["lm.dense.weight"], (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(tensors["lm.bias"], (std::vector<int64_t>{11}));
  Json base = small("electra");
  base["embedding_size"] = 8;
  EXPECT_FALSE(read_model_config(base)->has_projection());
}

TEST(Families, CutImagesIntoPatches) {
  const ModelConfig vit = read_small("vit"), deit = read_small("deit");
  EXPECT_EQ(vit.positions, 5);
  EXPECT_EQ(deit.positions, 6);
  auto tensors = expected_tensors(deit);
  EXPECT_EQ(tensors["embeddings.patch.weight"], (std::vector<int64_t>{8, 48}));
  EXPECT_EQ(their_shape(deit, "embeddings.patch.weight", {8, 48}),
            (std::vector<int64_t>{8, 3, 4, 4}));
  EXPECT_EQ(tensors["embeddings.cls"], (std::vector<int64_t>{8}));
  EXPECT_EQ(tensors["embeddings.distillation"], (std::vector<int64_t>{8}));
  EXPECT_EQ(tensors["final_norm.weight"], (std::vector<int64_t>{8}));
  EXPECT_EQ(tensors.count("embeddings.norm.weight") + tensors.count("embeddings.word.weight"), 0u);
}

TEST(Families, CountWhatTheirEmbeddingsAndHeadsMultiply) {
  auto outside = [](const ModelConfig& config, int tokens) {
    const Counts counts = count(config, tokens);
    return counts.macs - counts.layer_macs[0] - counts.layer_macs[1];
  };
  EXPECT_EQ(outside(read_small("vit", "ForImageClassification"), 5), 4 * 48 * 8 + 8 * 2);
  EXPECT_EQ(outside(read_small("bert", "ForTokenClassification"), 3), 3 * 8 * 2);
  EXPECT_EQ(outside(read_small("bert", "ForMaskedLM"), 3), 3 * (8 * 8 + 8 * 11));
  EXPECT_EQ(outside(read_small("electra", "ForSequenceClassification"), 3),
            3 * 4 * 8 + 8 * 8 + 8 * 2);
}

TEST(Families, RefuseWhatTheyCannotBe) {
  for (const char* model_type : kTextTypes) {
    EXPECT_THAT(read_with(model_type, {{"vocab_size", nullptr}}), Refuses("vocab_size is missing"));
  }
  EXPECT_THAT(read_with("distilbert", {{"dim", 9}}), Refuses("dim is 9 and n_heads 2"));
  EXPECT_THAT(read_with("distilbert", {{"activation", "silu"}}), Refuses("activation is \"silu\""));
  EXPECT_THAT(read_with("roberta", {{"pad_token_id", 9}}), Refuses("stand for no position"));
  EXPECT_THAT(read_with("mpnet", {{"relative_attention_num_buckets", 64}}), Refuses("is 64"));
  EXPECT_THAT(read_with("vit", {{"patch_size", 3}}), Refuses("patches must divide"));
  EXPECT_THAT(read_with("vit", {{"image_size", 8192}, {"patch_size", 1}}), Refuses("at most"));
  EXPECT_THAT(read_with("vit", {{"image_size", {8, 8}}}), Refuses("image_size must be an integer"));
  EXPECT_THAT(read_with("vit", {{"qkv_bias", false}}), Refuses("qkv_bias"));
  EXPECT_THAT(read_with("vit", {{"espalier", {{"head", "masked_lm"}}}}), Refuses("no words"));
  EXPECT_THAT(read_with("bert", {{"espalier", {{"head", "magic"}}}}),
              Refuses("knows: sequence, token, masked_lm"));
  EXPECT_THAT(read_with("bert", {{"espalier", {{"pooling", "max"}}}}), Refuses("first, mean"));
  EXPECT_THAT(read_with("bert", {{"espalier", {{"spans", true}}}}),
              Refuses("2 outputs for every token"));
  EXPECT_THAT(read_with("bert", {{"architectures", {"BertForQuestionAnswering"}},
                                 {"id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}}}}),
              Refuses("this one has 3"));
  EXPECT_THAT(read_with("bert", {{"espalier", {{"head_activation", "silu"}}}}),
              Refuses("tanh, relu, gelu"));
  EXPECT_THAT(read_with("bert", {{"espalier", {{"relative_buckets", 3}}}}), Refuses("at least 4"));
  EXPECT_THAT(read_with("bert", {{"architectures", 3}}), Refuses("list of strings"));
}

TEST(Families, RefuseWeightsThatDoNotFitTheirConfig) {
  const struct {
    const char *model_type, *task, *tensor, *message;
    std::vector<int64_t> shape;  // empty: the tensor is gone
  } kCases[] = {
      {"roberta",
       "ForSequenceClassification",
       "classifier.dense.weight",
       "lacks the tensor classifier.dense.weight",
       {}},
      {"roberta", "Model", "embeddings.position_embeddings.weight", "has shape [8, 8]", {8, 8}},
      {"distilbert",
       "ForSequenceClassification",
       "pre_classifier.bias",
       "lacks the tensor pre_classifier.bias",
       {}},
      {"distilbert",
       "Model",
       "embeddings.word_embeddings.weight",
       "holds no DistilBERT encoder",
       {}},
      {"mpnet",
       "Model",
       "encoder.relative_attention_bias.weight",
       "lacks the tensor encoder.relative_attention_bias.weight",
       {}},
      {"electra", "Model", "embeddings_project.weight", "demands [8, 4]", {8, 8}},
      {"bert", "ForMaskedLM", "cls.predictions.bias", "lacks the tensor cls.predictions.bias", {}},
      {"vit",
       "Model",
       "embeddings.patch_embeddings.projection.weight",
       "demands [8, 3, 4, 4]",
       {8, 48}},
      {"vit", "Model", "embeddings.position_embeddings", "demands [1, 5, 8]", {1, 6, 8}},
      {"deit",
       "Model",
       "embeddings.distillation_token",
       "lacks the tensor embeddings.distillation_token",
       {}},
  };
  for (const auto& c : kCases) {
    Checkpoint checkpoint(small(c.model_type, c.task).dump());
    ASSERT_EQ(checkpoint.tensors().count(c.tensor), 1u) << c.tensor;
    checkpoint.tensors()[c.tensor].shape = c.shape;
    if (c.shape.empty()) checkpoint.tensors().erase(c.tensor);
    EXPECT_THAT(checkpoint.inspect().status(), Refuses(c.message)) << c.model_type;
  }
}

}  // namespace
}  // namespace espalier
