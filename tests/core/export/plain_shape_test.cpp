#include "core/export/plain_shape.h"

#include "tests/core/export/tiny_artifact.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Scratch;

absl::StatusOr<PlainShape> shape_of(const ModelConfig& config,
                                    const std::string& task = "text-classification") {
  const Scratch scratch;
  return plain_shape(testing::tiny_artifact(scratch, config, task));
}

// "0 0", "1 -": where attention and FFN of each layer come from.
std::vector<std::string> sources_of(const PlainShape& shape) {
  std::vector<std::string> out;
  auto text = [](int layer) { return layer < 0 ? "-" : std::to_string(layer); };
  for (const auto& layer : shape.layers)
    out.push_back(text(layer.attention) + " " + text(layer.ffn));
  return out;
}

ModelConfig with_layers(std::vector<LayerShape> layers) {
  ModelConfig config = testing::tiny_config();
  config.layers = std::move(layers);
  return config;
}

ModelConfig image_config(std::vector<LayerShape> layers) {
  ModelConfig config = with_layers(std::move(layers));
  config.family = Family::kVit;
  config.vocabulary = config.token_types = config.pooler_width = 0;
  config.embedding_norm = false;
  config.norm_first = true;
  config.image_size = 8;
  config.patch_size = 4;
  config.channels = 3;
  config.positions = 5;
  config.image.size = 8;
  return config;
}

MATCHER_P(IsRefused, part, "") {
  *result_listener << arg.status();
  return absl::IsFailedPrecondition(arg.status()) &&
         ::testing::Matches(HasSubstr(part))(std::string(arg.status().message()));
}

TEST(PlainShape, IsTheArtifactSOwnWhereNothingIsPruned) {
  const auto shape = shape_of(testing::tiny_config());
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_THAT(sources_of(*shape), ElementsAre("0 0", "1 1"));
  EXPECT_THAT(shape->notes, IsEmpty());
  EXPECT_EQ(shape->architecture, "BertForSequenceClassification");
  EXPECT_EQ(shape->json["num_labels"], 2);
  EXPECT_EQ(shape->json["position_embedding_type"], "absolute");
  EXPECT_FALSE(shape->json.contains("espalier"));
}

TEST(PlainShape, HasAllHeadsAndTheMostNeuronsOfALayer) {
  const auto shape = shape_of(with_layers({{{1}, 4, 2}, {{0, 1}, 4, 5}}));
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_EQ(shape->json["num_attention_heads"], 2);
  EXPECT_EQ(shape->json["intermediate_size"], 5);
  EXPECT_THAT(shape->notes, ElementsAre("layer 0: 1 of 2 heads and 2 of 5 neurons are the "
                                        "artifact's, the others are zeros"));
}

TEST(PlainShape, DealsOutWhatIsLeftOfPostNormLayers) {
  const auto shape = shape_of(with_layers({{{0}, 4, 0}, {{}, 4, 0}, {{}, 4, 3}, {{1}, 4, 3}}));
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_THAT(sources_of(*shape), ElementsAre("0 2", "3 3"));
}

TEST(PlainShape, RefusesAPostNormLayerWithoutItsOtherHalf) {
  EXPECT_THAT(shape_of(with_layers({{{0}, 4, 0}, {{0}, 4, 3}})), IsRefused("attention alone"));
  EXPECT_THAT(shape_of(with_layers({{{0}, 4, 3}, {{}, 4, 3}})), IsRefused("layer 1"));
}

TEST(PlainShape, LeavesGapsInPreNormLayers) {
  const auto shape =
      shape_of(image_config({{{0}, 4, 0}, {{}, 4, 0}, {{}, 4, 3}}), "image-classification");
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_THAT(sources_of(*shape), ElementsAre("0 -", "- 2"));
}

TEST(PlainShape, RefusesPrunedHiddenUnits) {
  ModelConfig config = testing::tiny_config();
  config.hidden = config.pooler_width = 6;
  EXPECT_THAT(shape_of(config), IsRefused("hidden size is 6"));
}

TEST(PlainShape, RefusesWhatConfigJsonCannotSay) {
  ModelConfig config = testing::tiny_config();
  config.pooling = Pooling::kMean;
  EXPECT_THAT(shape_of(config), IsRefused("its pooling is \"mean\""));
  config = testing::tiny_config();
  config.pooler_width = 0;
  EXPECT_THAT(shape_of(config), IsRefused("its pooler_width is 0"));
}

TEST(PlainShape, SaysThatExitsAreLeftOut) {
  ModelConfig config = testing::tiny_config();
  config.heads.push_back({"exits.0", 0, "pooler_classifier", 5, 2});
  const auto shape = shape_of(config);
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_THAT(shape->notes, ElementsAre(HasSubstr("1 early exits are left out")));
}

}  // namespace
}  // namespace espalier
