#include "core/spec/model_folder.h"

#include "core/base/files.h"
#include "tests/core/spec/checkpoint.h"

namespace espalier {
namespace {

using testing::Checkpoint;
using testing::kTinyBert;
using testing::Refuses;
using testing::Scratch;

TEST(ModelFolder, IsTakenWithAndWithoutPrefix) {
  for (const char* prefix : {"", "bert."}) {
    auto folder = Checkpoint(kTinyBert, prefix).inspect();
    ASSERT_TRUE(folder.ok()) << folder.status();
    EXPECT_EQ(folder->name_prefix, prefix);
    EXPECT_TRUE(folder->has_classifier);
    EXPECT_EQ(folder->config.classes, 3);
    EXPECT_EQ(folder->config.pooler_width, 8);
    EXPECT_GT(folder->counts.macs, 0);
  }
}

TEST(ModelFolder, MayLackPoolerAndClassifier) {
  Checkpoint checkpoint;
  for (const char* name :
       {"pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"}) {
    checkpoint.tensors().erase(name);
  }
  auto folder = checkpoint.inspect();
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_FALSE(folder->has_classifier);
  EXPECT_EQ(folder->config.classes, 0);
  EXPECT_EQ(folder->config.pooler_width, 0);
}

TEST(ModelFolder, TakesOldNormNamesHalfPrecisionAndStrangers) {
  Checkpoint checkpoint(kTinyBert, "bert.");
  checkpoint.rename("bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma");
  checkpoint.rename("bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.beta");
  checkpoint.tensors().at("bert.pooler.dense.weight").dtype = "BF16";
  checkpoint.tensors()["bert.embeddings.position_ids"] = {"I64", {1, 4}};
  checkpoint.tensors()["cls.predictions.bias"] = {"F32", {5}};
  auto folder = checkpoint.inspect();
  ASSERT_TRUE(folder.ok()) << folder.status();
  std::map<std::string, TensorInfo> tensors;
  for (const auto& [name, tensor] : checkpoint.tensors()) tensors[name] = {};
  EXPECT_EQ(stored_name(tensors, *folder, "embeddings.norm.weight"),
            "bert.embeddings.LayerNorm.gamma");
  EXPECT_EQ(stored_name(tensors, *folder, "embeddings.norm.bias"),
            "bert.embeddings.LayerNorm.beta");
  EXPECT_EQ(stored_name(tensors, *folder, "classifier.bias"), "classifier.bias");
  EXPECT_EQ(stored_name(tensors, *folder, "exits.0.pooler.weight"), "");
}

TEST(ModelFolder, OfAnArtifactHasOurNames) {
  Checkpoint checkpoint;
  ModelConfig config = *read_model_config(Json::parse(kTinyBert));
  config.heads = {{"exits.0", 0, "pooler_classifier", 5, 3}};
  config.linears["layers.0.ffn.up"] = {LinearShape::Kind::kMasked, 0};
  checkpoint.files()["config.json"] = write_model_config(config).dump();
  checkpoint.tensors().clear();
  for (const auto& [name, shape] : expected_tensors(config))
    checkpoint.tensors()[name] = {"F32", shape};
  checkpoint.tensors()["layers.0.ffn.up.mask"].dtype = "U8";
  auto folder = checkpoint.inspect();
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(folder->has_our_names);
  checkpoint.tensors().erase("exits.0.pooler.bias");
  EXPECT_THAT(checkpoint.inspect().status(), Refuses("lacks the tensor exits.0.pooler.bias"));
}

TEST(ModelFolder, RefusesAnArtifactInInt8WithWhatCanBeUploaded) {
  Checkpoint checkpoint;
  const ModelConfig config = *read_model_config(Json::parse(kTinyBert));
  checkpoint.files()["config.json"] = write_model_config(config).dump();
  checkpoint.tensors().clear();
  for (const auto& [name, shape] : expected_tensors(config))
    checkpoint.tensors()[name] = {"F32", shape};
  checkpoint.tensors()["layers.0.ffn.up.weight"].dtype = "I8";
  EXPECT_THAT(checkpoint.inspect().status(), Refuses("has dtype I8; it must be F32, F16 or BF16"));
  checkpoint.tensors()["layers.0.ffn.up.weight.scale"] = {"F32", {6}};
  EXPECT_THAT(checkpoint.inspect().status(),
              Refuses("has dtype I8 and a scale beside it, so this is an artifact in int8"));
  EXPECT_THAT(checkpoint.inspect().status(), Refuses("artifacts export NAME FOLDER --format"));
}

TEST(ModelFolder, NamesWhatIsMissing) {
  for (const char* name : {"config.json", "vocab.txt"}) {
    Checkpoint checkpoint;
    checkpoint.files().erase(name);
    EXPECT_THAT(checkpoint.inspect().status(), Refuses(std::string("no ") + name));
  }
  Checkpoint empty;
  empty.tensors().clear();
  EXPECT_THAT(empty.inspect().status(), Refuses("no model.safetensors"));
  empty.files()["pytorch_model.bin"] = "PK";
  EXPECT_THAT(empty.inspect().status(), Refuses("pytorch_model.bin is a pickle"));
  empty.files()["config.json"] = "broken too";
  EXPECT_THAT(empty.inspect().status(), Refuses("pytorch_model.bin is a pickle"));
  empty.files().erase("pytorch_model.bin");
  empty.files()["pytorch_model.bin.index.json"] = "{}";
  EXPECT_THAT(empty.inspect().status(), Refuses("is a pickle"));
}

TEST(ModelFolder, RefusesWeightsThatDoNotFitTheConfig) {
  Checkpoint lacks(kTinyBert, "bert.");
  lacks.tensors().erase("bert.encoder.layer.0.output.dense.bias");
  EXPECT_THAT(lacks.inspect().status(),
              Refuses("lacks the tensor bert.encoder.layer.0.output.dense.bias"));
  Checkpoint shape;
  shape.tensors()["encoder.layer.0.intermediate.dense.weight"].shape = {8, 6};
  EXPECT_THAT(shape.inspect().status(), Refuses("has shape [8, 6]; config.json demands [6, 8]"));
  Checkpoint dtype;
  dtype.tensors()["pooler.dense.bias"].dtype = "I32";
  EXPECT_THAT(dtype.inspect().status(), Refuses("dtype I32; it must be F32, F16 or BF16"));
  Checkpoint foreign;
  foreign.tensors() = {{"wte.weight", {"F32", {2, 2}}}};
  EXPECT_THAT(foreign.inspect().status(), Refuses("holds no BERT encoder"));
  Checkpoint labels;
  labels.tensors()["classifier.weight"].shape = {2, 8};
  EXPECT_THAT(labels.inspect().status(), Refuses("classifier.weight has shape [2, 8]"));
  Checkpoint json;
  json.files()["config.json"] = "{";
  EXPECT_THAT(json.inspect().status(), Refuses("config.json is not JSON"));
  json.files()["config.json"] = "";
  EXPECT_THAT(json.inspect().status(), Refuses("config.json is empty"));
  json.files()["config.json"] = "[1]";
  EXPECT_THAT(json.inspect().status(),
              Refuses("config.json must be an object of names and values, found a list"));
}

TEST(ModelFolder, RefusesWeightsThatAreNoNumbers) {
  Scratch scratch;
  Checkpoint().write(scratch);
  const std::string path = scratch.path() + "/model.safetensors";
  std::string bytes = *read_file(path);
  bytes.replace(bytes.size() - 4, 4, "\xFF\xFF\xFF\xFF");
  scratch.write("model.safetensors", bytes);
  EXPECT_THAT(inspect_model_folder(scratch.path()).status(), Refuses("holds NaN as value"));
}

TEST(ModelFolder, RefusesLayersThatTheConfigDoesNotHave) {
  Checkpoint deep(kTinyBert, "bert.");
  deep.tensors()["bert.encoder.layer.1.output.dense.bias"] = {"F32", {8}};
  EXPECT_THAT(deep.inspect().status(), Refuses("holds the tensor bert.encoder.layer.1.output.dense"
                                               ".bias, for which config.json has no place"));
  Checkpoint relative;
  relative.tensors()["encoder.layer.0.attention.self.distance_embedding.weight"] = {"F32", {7, 4}};
  EXPECT_THAT(relative.inspect().status(), Refuses("num_hidden_layers those of these weights"));
  Checkpoint stranger;
  stranger.tensors()["decoder.layer.0.weight"] = {"F32", {1}};
  EXPECT_TRUE(stranger.inspect().ok());
}

TEST(ModelFolder, HasTheHeadThatItsWeightsHold) {
  const struct {
    const char* what;
    const char *config, *tensors;  // a config that builds the tensors beside the one on disk
    HeadKind head;
    int classes, pooler;
  } kCases[] = {
      {"a promise kept", "BertForTokenClassification", "BertForTokenClassification",
       HeadKind::kToken, 2, 0},
      {"a promise broken", "BertForTokenClassification", "BertForMaskedLM", HeadKind::kMaskedLm, 0,
       0},
      {"no promise, words", "BertModel", "BertForMaskedLM", HeadKind::kMaskedLm, 0, 0},
      {"no promise, words and sentences", "BertModel", "BertForPreTraining", HeadKind::kMaskedLm, 2,
       8},
      {"no promise, a classifier", "BertModel", "BertForSequenceClassification",
       HeadKind::kSequence, 2, 8},
  };
  for (const auto& c : kCases) {
    Json config = Json::parse(kTinyBert);
    config.erase("num_labels");
    config["architectures"] = {c.tensors};
    Checkpoint checkpoint(config.dump(), "bert.");
    config["architectures"] = {c.config};
    checkpoint.files()["config.json"] = config.dump();
    auto folder = checkpoint.inspect();
    ASSERT_TRUE(folder.ok()) << c.what << folder.status();
    EXPECT_EQ(folder->config.head, c.head) << c.what;
    EXPECT_EQ(folder->config.classes, c.classes) << c.what;
    EXPECT_EQ(folder->config.pooler_width, c.pooler) << c.what;
  }
}

TEST(ModelFolder, LeavesAWordHeadThatDoesNotShareTheTable) {
  Json config = Json::parse(kTinyBert);
  config["architectures"] = {"BertForMaskedLM"};
  Checkpoint checkpoint(config.dump());
  config["tie_word_embeddings"] = false;
  checkpoint.files()["config.json"] = config.dump();
  EXPECT_EQ(checkpoint.inspect()->config.head, HeadKind::kSequence);
}

TEST(ModelFolder, PoolsAsSentenceTransformersSaysWhereNobodyClassifies) {
  constexpr char kMeans[] =
      R"({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true})";
  Checkpoint encoder;
  encoder.tensors().erase("classifier.weight");
  encoder.tensors().erase("classifier.bias");
  EXPECT_EQ(encoder.inspect()->config.pooling, Pooling::kFirst);
  encoder.files()["1_Pooling/config.json"] = kMeans;
  EXPECT_EQ(encoder.inspect()->config.pooling, Pooling::kMean);
  encoder.files()["1_Pooling/config.json"] = R"({"pooling_mode_mean_tokens": 1})";
  EXPECT_THAT(encoder.inspect().status(), Refuses("1_Pooling/config.json.pooling_mode_mean"));
  Checkpoint classifier;
  classifier.files()["1_Pooling/config.json"] = kMeans;
  EXPECT_EQ(classifier.inspect()->config.pooling, Pooling::kFirst);
}

TEST(ModelFolder, TakesEitherKindOfTokenizerFile) {
  const std::map<std::string, std::string> kSets[] = {
      {{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na"}},
      {{"vocab.json", R"({"<s>": 0, "a": 4})"}, {"merges.txt", ""}},
      {{"tokenizer.json",
        R"({"model": {"vocab": {"a": 3}}, "added_tokens": [{"id": 4, "content": "<s>"}]})"}},
      {{"tokenizer.json", R"({"model": {"vocab": [["a", -1.5], ["b", -2]]}})"}}};
  for (const auto& files : kSets) {
    Checkpoint checkpoint;
    checkpoint.files().erase("vocab.txt");
    for (const auto& [name, text] : files) checkpoint.files()[name] = text;
    EXPECT_TRUE(checkpoint.inspect().ok()) << files.begin()->first << checkpoint.inspect().status();
  }
}

TEST(ModelFolder, RefusesATokenizerThatTheEmbeddingDoesNotFit) {
  const struct {
    const char *file, *text, *message;
  } kCases[] = {
      {"vocab.txt", "1\n2\n3\n4\n5\n6\n", "vocab.txt has 6 entries, but the embedding has 5 rows"},
      {"vocab.txt", "", "vocab.txt has no entries"},
      {"tokenizer.json", "", "tokenizer.json is empty"},
      {"tokenizer.json", R"({"model": {"vocab": {}}})", "tokenizer.json has no entries"},
      {"vocab.json", R"({"a": 0})", "no merges.txt beside its vocab.json"},
      {"tokenizer.json", R"({"model": {"vocab": {"a": 5}}})", "tokenizer.json has 6 entries"},
      {"tokenizer.json", R"({"model": {"vocab": {"a": 1}}, "added_tokens": [{"id": 5}]})",
       "tokenizer.json has 6 entries"},
      {"tokenizer.json", R"({"model": {"vocab": {"a": -1}}})", "an id must be an integer from 0"},
      {"tokenizer.json", R"({"model": {"vocab": {"a": 1}}, "added_tokens": [{}]})", "added_tokens"},
      {"tokenizer.json", R"({"model": {"vocab": 7}})", "vocabulary must be"},
      {"tokenizer.json", R"({"model": []})", "model.vocab"},
      {"tokenizer.json", "[", "tokenizer.json is not JSON"},
  };
  for (const auto& c : kCases) {
    Checkpoint checkpoint;
    checkpoint.files().erase("vocab.txt");
    checkpoint.files()[c.file] = c.text;
    EXPECT_THAT(checkpoint.inspect().status(), Refuses(c.message)) << c.file << c.text;
  }
}

TEST(HuggingFaceName, CoversEveryTensorOfABert) {
  const ModelConfig config = *read_model_config(Json::parse(kTinyBert));
  EXPECT_EQ(hugging_face_name(config, "layers.11.attention.output.bias"),
            "encoder.layer.11.attention.output.dense.bias");
  EXPECT_EQ(hugging_face_name(config, "layers.0.ffn.norm.weight"),
            "encoder.layer.0.output.LayerNorm.weight");
  EXPECT_EQ(hugging_face_name(config, "embeddings.token_type.weight"),
            "embeddings.token_type_embeddings.weight");
  EXPECT_EQ(hugging_face_name(config, "exits.0.pooler.weight"), "");
  EXPECT_EQ(hugging_face_name(config, "layers.0.ffn.up.mask"), "");
  EXPECT_EQ(hugging_face_name(config, "nonsense"), "");
  for (const auto& [name, shape] : expected_tensors(config))
    EXPECT_NE(hugging_face_name(config, name), "") << name;
}

}  // namespace
}  // namespace espalier
