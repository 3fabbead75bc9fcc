#include <filesystem>

#include "core/export/export.h"
#include "tests/core/export/tiny_artifact.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Refuses;
using testing::Scratch;

struct Folder {
  explicit Folder(const ModelConfig& config = testing::tiny_config()) {
    testing::tiny_artifact(scratch, config);
  }
  absl::StatusOr<ExportReport> write(const ExportOptions& options) const {
    return export_artifact(artifact, target, options);
  }
  // What there is beside the artifact, hidden files included.
  std::vector<std::string> others() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
      if (entry.path() != artifact) out.push_back(entry.path().filename());
    }
    return out;
  }

  Scratch scratch;
  const std::string artifact = scratch.path() + "/artifact", target = scratch.path() + "/out";
};

TEST(Export, WritesAnOnnxFolder) {
  const Folder folder;
  const auto report = folder.write({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->files, ElementsAre("config.json", "model.onnx", "vocab.txt"));
  EXPECT_THAT(folder.others(), ElementsAre("out"));
}

TEST(Export, PutsWeightsBesideAModelThatWouldBeTooLarge) {
  const auto report = Folder().write({.largest_model = 1000});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->files,
              ElementsAre("config.json", "model.onnx", "model.onnx.data", "vocab.txt"));
}

TEST(Export, WritesATransformersFolder) {
  const auto report = Folder().write({.format = "transformers"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->files, ElementsAre("config.json", "model.safetensors", "vocab.txt"));
}

TEST(Export, SaysThatAnEndpointInInt8AnswersOtherwise) {
  ModelConfig config = testing::tiny_config();
  config.heads.push_back({"exits.0", 0, "pooler_classifier", 5, 2});
  const Folder folder(config);
  ASSERT_TRUE(testing::narrow_tiny(folder.artifact, config, 0.25).ok());
  const auto report = folder.write({.exits = true});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes,
              ElementsAre("the weights of the layers are those in int8, written and multiplied as "
                          "fp32; where the endpoint multiplies in int8 it rounds their inputs too, "
                          "so its logits differ from these by up to about 0.25, and the exits' "
                          "threshold was chosen for its logits"));
}

TEST(Export, SaysSoOfATransformersFolderToo) {
  const Folder folder;
  ASSERT_TRUE(testing::narrow_tiny(folder.artifact, testing::tiny_config(), 0).ok());
  const auto report = folder.write({.format = "transformers"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, ElementsAre(::testing::EndsWith("its logits differ from these")));
}

TEST(Export, LeavesNothingBehindWhenItFails) {
  ModelConfig config = testing::tiny_config();
  config.layers[0].neurons = 0;  // FFN of a post-norm layer
  const Folder folder(config);
  EXPECT_TRUE(absl::IsFailedPrecondition(folder.write({.format = "transformers"}).status()));
  EXPECT_THAT(folder.others(), ElementsAre());
}

TEST(Export, WritesIntoAnEmptyFolderButIntoNoOther) {
  const Folder folder;
  std::filesystem::create_directory(folder.target);
  EXPECT_TRUE(folder.write({}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(folder.write({}).status()));
}

TEST(Export, RefusesWhatItDoesNotKnow) {
  const Folder folder;
  EXPECT_THAT(folder.write({.format = "pickle"}).status(), Refuses("known: onnx, transformers"));
  EXPECT_THAT(folder.write({.exits = true}).status(), Refuses("this artifact has no exits"));
  EXPECT_THAT(folder.write({.format = "transformers", .exits = true}).status(),
              Refuses("onnx only"));
}

TEST(Export, NamesTheWeightsThatAreMissing) {
  const Folder folder;
  std::filesystem::remove(folder.artifact + "/model.safetensors");
  const absl::Status status = folder.write({}).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr(folder.artifact + "/model.safetensors"));
}

TEST(Export, RefusesAFormatOfNewerBuilds) {
  const Folder folder;
  const std::string path = folder.artifact + "/espalier.json";
  Json spec = *read_json(path);
  spec["format"] = 3;
  ASSERT_TRUE(write_file(path, spec.dump()).ok());
  EXPECT_THAT(folder.write({}).status(), Refuses("has format 3; this build reads formats 1 and 2"));
}

TEST(Export, RefusesWeightsThatAreNotTheConfigS) {
  const Folder folder;
  ModelConfig other = testing::tiny_config();
  other.layers[1].neurons = 5;
  const std::string path = folder.artifact + "/config.json";
  ASSERT_TRUE(write_file(path, write_model_config(other).dump()).ok());
  EXPECT_THAT(folder.write({}).status(), Refuses("layers.1.ffn.down.weight"));
}

}  // namespace
}  // namespace espalier
