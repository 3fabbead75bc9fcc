#include "core/image/prepare.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/image/files.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Image colours(int height, int width, int first, int step) {
  Image out{height, width, 3, {}};
  for (int i = 0; i < height * width * 3; ++i)
    out.pixels.push_back(static_cast<uint8_t>(first + i * step));
  return out;
}

ImageSettings no_resize(int crop = 0) {
  ImageSettings out;
  out.do_resize = false;
  out.crop = crop;
  return out;
}

std::vector<uint8_t> planes(const Image& image, const ImageSettings& settings, int channels,
                            int side) {
  auto out = prepare_image(image, settings, channels, side);
  EXPECT_TRUE(out.ok()) << out.status();
  return out.ok() ? *std::move(out) : std::vector<uint8_t>();
}

// Expected values: preprocess() of transformers 4.57.6 over Pillow 12.3, with do_rescale and
// do_normalize off, of ((numpy.arange(36) * 53 + 7) % 256).reshape(3, 4, 3).
TEST(Prepare, ResizesWhateverTheShapeAsViTDoes) {
  ImageSettings settings;
  settings.size = 2;
  EXPECT_THAT(planes(colours(3, 4, 7, 53), settings, 3, 2),
              ElementsAre(89, 143, 153, 138, 142, 127, 137, 122, 113, 116, 108, 111));
}

TEST(Prepare, ResizesThenCropsTheMiddleAsDeiTDoes) {
  ImageSettings settings;
  settings.size = 4;
  settings.resample = 3;
  settings.crop = 2;
  EXPECT_THAT(planes(colours(3, 4, 7, 53), settings, 3, 2),
              ElementsAre(75, 156, 71, 152, 128, 209, 124, 205, 103, 84, 99, 80));
}

// DeiT's with do_resize off, of numpy.arange(24) * 10 + 1 in shapes (2, 4, 3) and (4, 2, 3).
TEST(Prepare, PutsZerosAroundAnImageSmallerThanItsCrop) {
  EXPECT_THAT(planes(colours(2, 4, 1, 10), no_resize(3), 3, 3),
              ElementsAre(0, 0, 0, 1, 31, 61, 121, 151, 181,   //
                          0, 0, 0, 11, 41, 71, 131, 161, 191,  //
                          0, 0, 0, 21, 51, 81, 141, 171, 201));
  EXPECT_THAT(planes(colours(4, 2, 1, 10), no_resize(3), 3, 3),
              ElementsAre(0, 1, 31, 0, 61, 91, 0, 121, 151,    //
                          0, 11, 41, 0, 71, 101, 0, 131, 161,  //
                          0, 21, 51, 0, 81, 111, 0, 141, 171));
}

// Pillow's convert("L").
TEST(Prepare, GivesOneChannelAsGrey) {
  EXPECT_THAT(planes(colours(2, 2, 7, 53), no_resize(), 1, 2), ElementsAre(50, 180, 112, 92));
}

TEST(Prepare, RefusesAnotherSideThanTheModelsWhenNothingResizes) {
  const auto refused = prepare_image(colours(2, 3, 0, 1), no_resize(), 3, 4);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("the image is 3 x 2 pixels, the model reads 4 x 4"));
  EXPECT_FALSE(prepare_image(colours(2, 2, 0, 1), no_resize(), 4, 2).ok());
}

TEST(ReadImage, GivesTheRowThatAModelReads) {
  ModelConfig config;
  config.image_size = 2;
  config.patch_size = 1;
  config.channels = 3;
  config.positions = 5;
  config.image = no_resize();
  auto row = read_image(testing::bytes_of(testing::kPng), config);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_THAT(row->pixels, ElementsAre(1, 4, 7, 250, 2, 5, 8, 251, 3, 6, 9, 252));
  EXPECT_EQ(row->tokens(), 5);
  EXPECT_FALSE(read_image("no image", config).ok());
}

}  // namespace
}  // namespace espalier
