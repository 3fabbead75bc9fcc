#include "core/spec/families.h"
#include "tests/core/spec/checkpoint.h"
#include "tests/core/spec/small_families.h"

namespace espalier {
namespace {

using testing::Checkpoint;
using testing::Refuses;
using testing::small;

TEST(Images, NeedNoTokenizerAndReadTheirPreprocessor) {
  Checkpoint checkpoint(small("vit").dump());
  checkpoint.files().erase("vocab.txt");
  EXPECT_EQ(checkpoint.inspect()->config.image.size, 8);
  checkpoint.files()["preprocessor_config.json"] =
      R"({"do_resize": true, "size": {"height": 10, "width": 10}, "resample": 3, "crop_size": 8,
      "do_center_crop": true, "image_mean": [0.1, 0.2, 0.3], "image_std": 0.5})";
  auto folder = checkpoint.inspect();
  ASSERT_TRUE(folder.ok()) << folder.status();
  const ImageSettings& image = folder->config.image;
  EXPECT_EQ(image.size, 10);
  EXPECT_EQ(image.crop, 8);
  EXPECT_EQ(image.resample, 3);
  EXPECT_EQ(image.mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(image.std, (std::vector<double>{0.5, 0.5, 0.5}));
  auto back = read_model_config(write_model_config(folder->config));
  EXPECT_EQ(back->image.crop, 8);
  EXPECT_EQ(back->image.mean, image.mean);
}

TEST(Images, AreScaledInProportionForOtherSides) {
  Json json = small("deit");
  json.update({{"image_size", 448}, {"patch_size", 16}});
  EXPECT_EQ(read_model_config(json)->image.size, 512);
  EXPECT_EQ(read_model_config(json)->image.crop, 448);
}

TEST(Images, RefuseAPreprocessorForAnotherModel) {
  const struct {
    const char *json, *message;
  } kCases[] = {
      {R"({"size": 16})", "resized to 16, but image_size in config.json is 8"},
      {R"({"size": {"height": 8, "width": 9}})", "square"},
      {R"({"size": {"shortest_edge": 8}})", "size.height is missing"},
      {R"({"image_mean": [0.5, 0.5]})",
       "image_mean must be numbers, one or as many as channels (3)"},
      {R"({"image_std": 0})", "image_std must be positive numbers"},
      {R"({"resample": 9})", "resample is 9"},
      {R"({"rescale_factor": 0})", "rescale_factor"},
      {"[]", "object"},
      {"{", "is not JSON"},
  };
  for (const auto& c : kCases) {
    Checkpoint checkpoint(small("vit").dump());
    checkpoint.files()["preprocessor_config.json"] = c.json;
    EXPECT_THAT(checkpoint.inspect().status(), Refuses(c.message)) << c.json;
  }
}

}  // namespace
}  // namespace espalier
