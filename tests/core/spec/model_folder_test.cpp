#include "core/spec/model_folder.h"

#include "core/spec/safetensors.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;
using testing::Scratch;

constexpr char kConfig[] =
    R"({"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
  "intermediate_size": 6, "vocab_size": 5, "max_position_embeddings": 4, "num_labels": 3})";
constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n";

// A checkpoint on disk that a test spoils a little before it is looked at.
class Checkpoint {
 public:
  explicit Checkpoint(const std::string& prefix = "") {
    const ModelConfig config = *read_model_config(Json::parse(kConfig));
    for (const auto& [ours, shape] : expected_tensors(config)) {
      const std::string name = hugging_face_name(config, ours);
      tensors_[name.rfind("classifier", 0) == 0 ? name : prefix + name] = {"F32", shape};
    }
    files_ = {{"config.json", kConfig}, {"vocab.txt", kVocabulary}};
  }
  std::map<std::string, std::string>& files() { return files_; }
  struct Tensor {
    std::string dtype;
    std::vector<int64_t> shape;
  };
  std::map<std::string, Tensor>& tensors() { return tensors_; }
  void rename(const std::string& from, const std::string& to) {
    tensors_[to] = tensors_.at(from);
    tensors_.erase(from);
  }
  absl::StatusOr<ModelFolder> inspect() {
    Scratch scratch;
    for (const auto& [name, content] : files_) scratch.write(name, content);
    if (!tensors_.empty()) {
      static const std::vector<double> kZeros(1000);
      std::vector<TensorView> views;
      for (const auto& [name, tensor] : tensors_)
        views.push_back({name, tensor.dtype, tensor.shape, kZeros.data()});
      EXPECT_TRUE(write_safetensors(scratch.path() + "/model.safetensors", views).ok());
    }
    return inspect_model_folder(scratch.path());
  }

 private:
  std::map<std::string, std::string> files_;
  std::map<std::string, Tensor> tensors_;
};

TEST(ModelFolder, IsTakenWithAndWithoutPrefix) {
  for (const char* prefix : {"", "bert."}) {
    auto folder = Checkpoint(prefix).inspect();
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
  Checkpoint checkpoint("bert.");
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
  ModelConfig config = *read_model_config(Json::parse(kConfig));
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
  empty.files()["model.safetensors.index.json"] = "{}";
  EXPECT_THAT(empty.inspect().status(), Refuses("max_shard_size"));
}

TEST(ModelFolder, RefusesWeightsThatDoNotFitTheConfig) {
  Checkpoint lacks("bert.");
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
  Checkpoint words;
  words.files()["vocab.txt"] += "b\n";
  EXPECT_THAT(words.inspect().status(),
              Refuses("vocab.txt has 6 entries, but the embedding has 5 rows"));
  Checkpoint json;
  json.files()["config.json"] = "{";
  EXPECT_THAT(json.inspect().status(), Refuses("config.json is not JSON"));
}

TEST(HuggingFaceName, CoversEveryTensorOfABert) {
  const ModelConfig config = *read_model_config(Json::parse(kConfig));
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
