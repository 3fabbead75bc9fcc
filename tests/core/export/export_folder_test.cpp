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
  EXPECT_THAT(folder.write({.exits = true}).status(), Refuses("has no exits"));
  EXPECT_THAT(folder.write({.format = "transformers", .exits = true}).status(),
              Refuses("onnx only"));
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
