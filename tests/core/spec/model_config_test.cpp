#include "core/spec/model_config.h"

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;

Json mini_lm() {
  return Json::parse(
      R"({"architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": false,
    "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 384, "initializer_range": 0.02,
    "intermediate_size": 1536, "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert",
    "num_attention_heads": 12, "num_hidden_layers": 6, "pad_token_id": 0, "position_embedding_type": "absolute",
    "type_vocab_size": 2, "vocab_size": 30522})");
}
Json with(Json changes) {
  Json out = mini_lm();
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null())
      out.erase(key);
    else
      out[key] = value;
  }
  return out;
}
absl::Status read(Json changes) { return read_model_config(with(std::move(changes))).status(); }
absl::Status read_own(const char* espalier) { return read({{"espalier", Json::parse(espalier)}}); }

// D 8, 2 layers of 2 heads of 4, F 6: small enough to count by hand.
ModelConfig tiny() {
  ModelConfig config;
  config.hidden = 8;
  config.original_heads = 2;
  config.layers = {{{0, 1}, 4, 6}, {{0, 1}, 4, 6}};
  config.vocabulary = 10;
  config.positions = 5;
  config.token_types = 2;
  config.pooler_width = 8;
  config.classes = 3;
  config.label_names = {"no", "maybe", "yes"};
  return config;
}

TEST(ModelConfig, ReadsAHuggingFaceConfig) {
  auto config = read_model_config(mini_lm());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->hidden, 384);
  ASSERT_EQ(config->layers.size(), 6u);
  EXPECT_EQ(config->head_count(5), 12);
  EXPECT_EQ(config->layers[5].head_dim, 32);
  EXPECT_EQ(config->layers[5].neurons, 1536);
  EXPECT_EQ(config->pooler_width, 384);
  EXPECT_EQ(config->classes, 0);
}

TEST(ModelConfig, FindsTheClassesWhereverTheyAreSaid) {
  EXPECT_EQ(read_model_config(with({{"num_labels", 5}}))->classes, 5);
  EXPECT_EQ(
      read_model_config(with({{"architectures", {"BertForSequenceClassification"}}}))->classes, 2);
  auto named = read_model_config(with({{"id2label", {{"0", "neg"}, {"1", "pos"}}}}));
  EXPECT_EQ(named->label_names, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_EQ(named->classes, 2);
  EXPECT_THAT(read({{"id2label", {{"0", "neg"}, {"2", "pos"}}}}),
              Refuses("none with a name and id 1"));
}

TEST(ModelConfig, KnowsWhatItsHeadAnswersWith) {
  EXPECT_EQ(read_model_config(mini_lm())->problem, ProblemType::kUnstated);
  for (const char* word :
       {"regression", "single_label_classification", "multi_label_classification"}) {
    const auto config = read_model_config(with({{"problem_type", word}, {"num_labels", 1}}));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(write_model_config(*config)["problem_type"], word);
  }
  EXPECT_FALSE(write_model_config(tiny()).contains("problem_type"));
  EXPECT_THAT(read({{"problem_type", "ranking"}}),
              Refuses("problem_type is \"ranking\"; known: regression, single_label"));
}

TEST(ModelConfig, RefusesWhatItCannotRun) {
  EXPECT_THAT(read({{"model_type", "gpt2"}}),
              Refuses("model_type is \"gpt2\"; this build knows: bert, roberta, xlm-roberta, "
                      "distilbert, mpnet, electra, vit, deit"));
  EXPECT_THAT(read({{"model_type", nullptr}}), Refuses("no model_type"));
  EXPECT_THAT(read({{"hidden_act", "silu"}}),
              Refuses("hidden_act is \"silu\"; this build knows: gelu, gelu_new, "
                      "gelu_pytorch_tanh, relu"));
  EXPECT_THAT(read({{"position_embedding_type", "relative_key"}}), Refuses("absolute"));
  EXPECT_THAT(read({{"is_decoder", true}}), Refuses("is_decoder"));
  EXPECT_THAT(read_model_config(Json::array()).status(), Refuses("object"));
}

TEST(ModelConfig, RefusesNumbersThatCannotBe) {
  EXPECT_THAT(read({{"hidden_size", nullptr}}), Refuses("hidden_size is missing"));
  EXPECT_THAT(read({{"hidden_size", 0}}),
              Refuses("hidden_size is 0; it must be between 1 and 65536"));
  EXPECT_THAT(read({{"hidden_size", 385}}), Refuses("heads must divide"));
  EXPECT_THAT(read({{"hidden_size", "384"}}), Refuses("must be an integer, found \"384\""));
  EXPECT_THAT(read({{"num_hidden_layers", 1000000000}}), Refuses("num_hidden_layers"));
  EXPECT_THAT(read({{"num_hidden_layers", -1}}), Refuses("num_hidden_layers"));
  EXPECT_THAT(read({{"vocab_size", 1e18}}), Refuses("vocab_size"));
  EXPECT_THAT(read({{"layer_norm_eps", 0}}), Refuses("layer_norm_eps is 0; it must be above 0"));
  EXPECT_THAT(read({{"hidden_dropout_prob", 1}}), Refuses("at least 0 and less than 1"));
  EXPECT_THAT(
      read({{"hidden_size", 65536}, {"num_attention_heads", 64}, {"num_hidden_layers", 1024}}),
      Refuses("parameters; at most"));
}

TEST(ModelConfig, RefusesShapesThatContradictThemselves) {
  EXPECT_THAT(read_own(R"({"layers": []})"), Refuses("num_hidden_layers is 6"));
  EXPECT_THAT(read({{"num_hidden_layers", nullptr},
                    {"espalier", Json::parse(R"({"layers": [{"heads": [1, 0], "neurons": 3}]})")}}),
              Refuses("ascending"));
  EXPECT_THAT(read({{"num_hidden_layers", nullptr},
                    {"espalier", Json::parse(R"({"layers": [{"heads": [12], "neurons": 3}]})")}}),
              Refuses("ascending"));
  EXPECT_THAT(read({{"num_hidden_layers", nullptr},
                    {"espalier", Json::parse(R"({"layers": [{"heads": []}]})")}}),
              Refuses("espalier.layers[0].neurons is missing"));
  EXPECT_THAT(read_own(R"({"linears": {"layers.9.ffn.up": {"kind": "masked"}}})"),
              Refuses("layers.9.ffn.up"));
  EXPECT_THAT(read_own(R"({"linears": {"layers.0.ffn.up": {"kind": "factored"}}})"),
              Refuses("rank is missing"));
  EXPECT_THAT(read_own(R"({"linears": {"layers.0.ffn.up": {"kind": "factored", "rank": 385}}})"),
              Refuses("between 1 and 384"));
  EXPECT_THAT(read_own(R"({"linears": {"layers.0.ffn.up": {"kind": "sparse"}}})"),
              Refuses("known: dense, factored, masked"));
  EXPECT_THAT(
      read_own(
          R"({"heads": [{"name": "exits.0", "layer": 6, "kind": "pooler_classifier", "width": 4, "outputs": 2}]})"),
      Refuses("layer is 6"));
  EXPECT_THAT(
      read_own(
          R"({"heads": [{"name": "layers.0", "layer": 0, "kind": "pooler_classifier", "width": 4, "outputs": 2}]})"),
      Refuses("name"));
  EXPECT_THAT(
      read_own(
          R"({"heads": [{"name": "../x", "layer": 0, "kind": "pooler_classifier", "width": 4, "outputs": 2}]})"),
      Refuses("name"));
  EXPECT_THAT(
      read_own(
          R"({"heads": [{"name": "e", "layer": 0, "kind": "magic", "width": 4, "outputs": 2}]})"),
      Refuses("magic"));
  EXPECT_THAT(read_own("3"), Refuses("object"));
}

TEST(ModelConfig, ComesBackAsItWasWritten) {
  ModelConfig config = tiny();
  config.layers[1] = {{1}, 4, 0};
  config.layers.push_back({{}, 4, 2});
  config.linears["layers.0.ffn.up"] = {LinearShape::Kind::kFactored, 2};
  config.linears["layers.0.attention.query"] = {LinearShape::Kind::kMasked, 0};
  config.heads = {{"exits.0", 0, "pooler_classifier", 8, 3}};
  config.norm_eps = 1e-5;
  config.pad_id = 1;
  config.pooler_width = 0;
  const Json json = write_model_config(config);
  EXPECT_FALSE(json.contains("intermediate_size"));
  EXPECT_FALSE(json.contains("num_attention_heads"));
  auto back = read_model_config(json);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(write_model_config(*back), json);
  EXPECT_EQ(back->layers[1].kept_heads, std::vector<int>{1});
  EXPECT_EQ(back->linears.at("layers.0.ffn.up").rank, 2);
  EXPECT_EQ(back->heads[0].width, 8);
  EXPECT_EQ(back->norm_eps, 1e-5);
  EXPECT_EQ(back->label_names, config.label_names);
  EXPECT_EQ(expected_tensors(*back), expected_tensors(config));
}

TEST(ModelConfig, OfEqualLayersKeepsTheHuggingFaceKeys) {
  const Json json = write_model_config(tiny());
  EXPECT_EQ(json["num_attention_heads"], 2);
  EXPECT_EQ(json["intermediate_size"], 6);
  EXPECT_EQ(json["id2label"]["2"], "yes");
}

TEST(Tensors, FollowTheShapes) {
  auto tensors = expected_tensors(tiny());
  EXPECT_EQ(tensors.size(), 5u + 2 * 16 + 2 + 2);
  EXPECT_EQ(tensors["embeddings.word.weight"], (std::vector<int64_t>{10, 8}));
  EXPECT_EQ(tensors["layers.1.attention.query.weight"], (std::vector<int64_t>{8, 8}));
  EXPECT_EQ(tensors["layers.1.ffn.up.weight"], (std::vector<int64_t>{6, 8}));
  EXPECT_EQ(tensors["layers.1.ffn.down.weight"], (std::vector<int64_t>{8, 6}));
  EXPECT_EQ(tensors["layers.1.ffn.down.bias"], (std::vector<int64_t>{8}));
  EXPECT_EQ(tensors["classifier.weight"], (std::vector<int64_t>{3, 8}));
}

TEST(Tensors, OfAnAbsentSubLayerAreGoneWithItsNorm) {
  ModelConfig config = tiny();
  config.layers[0] = {{}, 4, 6};
  config.layers[1] = {{1}, 4, 0};
  auto tensors = expected_tensors(config);
  EXPECT_EQ(tensors.count("layers.0.attention.query.weight") +
                tensors.count("layers.0.attention.norm.weight"),
            0u);
  EXPECT_EQ(tensors.count("layers.1.ffn.up.weight") + tensors.count("layers.1.ffn.norm.bias"), 0u);
  EXPECT_EQ(tensors["layers.1.attention.key.weight"], (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(tensors["layers.1.attention.output.weight"], (std::vector<int64_t>{8, 4}));
}

TEST(Tensors, OfFactoredAndMaskedLinearsHaveTheirOwnNames) {
  ModelConfig config = tiny();
  config.linears["layers.0.ffn.up"] = {LinearShape::Kind::kFactored, 2};
  config.linears["layers.0.ffn.down"] = {LinearShape::Kind::kMasked, 0};
  config.heads = {{"exits.0", 0, "pooler_classifier", 5, 3}};
  auto tensors = expected_tensors(config);
  EXPECT_EQ(tensors.count("layers.0.ffn.up.weight"), 0u);
  EXPECT_EQ(tensors["layers.0.ffn.up.down.weight"], (std::vector<int64_t>{2, 8}));
  EXPECT_EQ(tensors["layers.0.ffn.up.up.weight"], (std::vector<int64_t>{6, 2}));
  EXPECT_EQ(tensors["layers.0.ffn.up.bias"], (std::vector<int64_t>{6}));
  EXPECT_EQ(tensors["layers.0.ffn.down.mask"], (std::vector<int64_t>{8, 6}));
  EXPECT_EQ(tensors["exits.0.pooler.weight"], (std::vector<int64_t>{5, 8}));
  EXPECT_EQ(tensors["exits.0.classifier.weight"], (std::vector<int64_t>{3, 5}));
}

TEST(Counts, AreThoseDoneByHand) {
  const Counts counts = count(tiny(), 3);
  // A layer: q, k, v, o of 8x8+8, up 6x8+6, down 8x6+8, two norms of 16.
  const double layer = 4 * 72 + 54 + 56 + 32;
  EXPECT_EQ(counts.encoder_parameters, 2 * layer);
  EXPECT_EQ(counts.parameters, 2 * layer + (10 + 5 + 2) * 8 + 16 + 72 + 27);
  // n D h hd 4 + 2 n n h hd + 2 n D F
  const double macs = 3 * 8 * 8 * 4 + 2 * 9 * 8 + 2 * 3 * 8 * 6;
  EXPECT_EQ(counts.layer_macs, (std::vector<double>{macs, macs}));
  EXPECT_EQ(counts.macs, 2 * macs + 64 + 24);
  EXPECT_EQ(counts.exit_macs, 0);
}

TEST(Counts, OfFactoredLinearsAndExits) {
  ModelConfig config = tiny();
  config.linears["layers.0.ffn.up"] = {LinearShape::Kind::kFactored, 2};
  config.linears["layers.1.ffn.up"] = {LinearShape::Kind::kMasked, 0};
  config.heads = {{"exits.0", 0, "pooler_classifier", 5, 3}};
  const Counts before = count(tiny(), 3), after = count(config, 3);
  EXPECT_EQ(after.layer_macs[0], before.layer_macs[0] - 3 * 48 + 3 * 2 * 14);
  EXPECT_EQ(after.layer_macs[1], before.layer_macs[1]);
  EXPECT_EQ(after.exit_macs, 40 + 15);
  EXPECT_EQ(after.encoder_parameters, before.encoder_parameters - 48 + 28);
  EXPECT_EQ(after.parameters, before.parameters - 48 + 28 + 45 + 18);
}

TEST(Counts, OfMiniLm) {
  const Counts counts = count(*read_model_config(mini_lm()), 128);
  EXPECT_EQ(counts.parameters, 22'713'216);  // what Hugging Face counts
  EXPECT_EQ(counts.encoder_parameters, 10'646'784);
}

}  // namespace
}  // namespace espalier
