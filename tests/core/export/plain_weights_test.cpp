#include "core/export/plain_weights.h"

#include "tests/core/export/tiny_artifact.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Scratch;

// The folder's tensors, all counts over 100 as the artifact's are.
class Plain {
 public:
  explicit Plain(const ModelConfig& config) {
    const StoredArtifact artifact = testing::tiny_artifact(scratch_, config);
    const auto shape = plain_shape(artifact);
    EXPECT_TRUE(shape.ok()) << shape.status();
    EXPECT_TRUE(write_plain_weights(artifact, *shape, scratch_.path() + "/model.safetensors").ok());
    file_ = *SafetensorsFile::open(scratch_.path() + "/model.safetensors");
  }
  // In hundredths.
  std::vector<int> operator[](const std::string& name) const {
    const auto found = file_->tensors().find(name);
    if (found == file_->tensors().end()) return {};
    std::vector<float> values((found->second.end - found->second.begin) / sizeof(float));
    std::memcpy(values.data(), file_->data(found->second), values.size() * sizeof(float));
    std::vector<int> out;
    for (const float value : values) out.push_back(static_cast<int>(std::lround(value * 100)));
    return out;
  }

 private:
  Scratch scratch_;
  std::unique_ptr<SafetensorsFile> file_;
};

TEST(PlainWeights, PutAKeptHeadAtItsOldPlace) {
  ModelConfig config = testing::tiny_config();
  config.layers[0] = {{1}, 4, 6};
  const Plain plain(config);
  const std::string at = "bert.encoder.layer.0.attention.";
  EXPECT_THAT(plain[at + "self.query.bias"], ElementsAre(0, 0, 0, 0, 1, 2, 3, 4));
  const std::vector<int> output = plain[at + "output.dense.weight"];  // [8,8], was [8,4]
  ASSERT_EQ(output.size(), 64u);
  EXPECT_THAT(std::vector(output.begin(), output.begin() + 16),
              ElementsAre(0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8));
}

TEST(PlainWeights, FillUpNeurons) {
  ModelConfig config = testing::tiny_config();
  config.layers[1].neurons = 2;
  const Plain plain(config);
  EXPECT_THAT(plain["bert.encoder.layer.1.intermediate.dense.bias"], ElementsAre(1, 2, 0, 0, 0, 0));
  const std::vector<int> down = plain["bert.encoder.layer.1.output.dense.weight"];  // [8,6]
  ASSERT_EQ(down.size(), 48u);
  EXPECT_THAT(std::vector(down.begin(), down.begin() + 12),
              ElementsAre(1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0));
}

TEST(PlainWeights, MultiplyFactors) {
  ModelConfig config = testing::tiny_config();
  config.linears["layers.0.attention.query"] = {LinearShape::Kind::kFactored, 1};
  const Plain plain(config);
  const std::vector<int> query = plain["bert.encoder.layer.0.attention.self.query.weight"];
  ASSERT_EQ(query.size(), 64u);
  EXPECT_EQ(query.back(), 1);  // 0.08 * 0.08 = 0.0064
}

TEST(PlainWeights, HaveNamesForTheTaskHead) {
  const Plain plain(testing::tiny_config());
  EXPECT_THAT(plain["classifier.bias"], ElementsAre(1, 2));
  EXPECT_EQ(plain["bert.pooler.dense.weight"].size(), 64u);
}

}  // namespace
}  // namespace espalier
