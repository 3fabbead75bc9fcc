#include "core/image/decode.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/image/files.h"

namespace espalier {
namespace {

using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Height, width and pixels; empty where it was refused.
Image decoded(const char* hexadecimal) {
  auto image = decode_image(bytes_of(hexadecimal));
  EXPECT_TRUE(image.ok()) << image.status();
  return image.ok() ? *std::move(image) : Image();
}
std::vector<uint8_t> pixels(const char* hexadecimal) { return decoded(hexadecimal).pixels; }

std::string refusal(const std::string& file) {
  auto image = decode_image(file);
  EXPECT_TRUE(absl::IsInvalidArgument(image.status())) << image.status();
  return std::string(image.status().message());
}

// Expected pixels: numpy.array(PIL.Image.open(file).convert("RGB")), Pillow 13.0.
TEST(Decode, ReadsJpegAsPillowDoes) {
  const std::vector<uint8_t> expected = {27, 40,  204, 41, 54,  218, 157, 40,  157, 170, 53,  170,
                                         77, 90,  254, 91, 104, 255, 206, 89,  206, 218, 101, 218,
                                         65, 198, 135, 79, 212, 149, 193, 195, 86,  205, 207, 98};
  const Image image = decoded(testing::kJpeg);
  EXPECT_EQ(image.height, 3);
  EXPECT_EQ(image.width, 4);
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels, expected);
  EXPECT_EQ(pixels(testing::kProgressiveJpeg), expected);
}

TEST(Decode, MakesThreeChannelsOfGreyAndOfFourInks) {
  EXPECT_THAT(pixels(testing::kGreyJpeg),
              ElementsAre(56, 56, 56, 66, 66, 66, 108, 108, 108, 118, 118, 118));
  EXPECT_THAT(pixels(testing::kCmykJpeg),
              ElementsAre(76, 80, 15, 24, 33, 8, 76, 50, 20, 24, 21, 10));
}

TEST(Decode, ReadsPngOfEveryKind) {
  EXPECT_THAT(pixels(testing::kPng), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252));
  EXPECT_THAT(pixels(testing::kPalettePng), ElementsAre(1, 2, 3, 40, 50, 60, 70, 80, 90));
  EXPECT_THAT(pixels(testing::kBitsPng),
              ElementsAre(255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0));
  EXPECT_THAT(pixels(testing::kInterlacedPng),
              ElementsAre(10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40));
}

TEST(Decode, DropsAlphaAndLowBitsWithoutBlendingOrGamma) {
  EXPECT_THAT(pixels(testing::kAlphaPng), ElementsAre(16, 32, 48, 64, 80, 96));
  EXPECT_THAT(pixels(testing::kDeepPng), ElementsAre(0x12, 0xfe, 0x00));
}

TEST(Decode, SaysWhatItFoundInsteadOfAnImage) {
  EXPECT_EQ(refusal(""), "the image file is empty");
  EXPECT_EQ(refusal("GIF89a..."), "not a JPEG or PNG; begins with 47 49 46 38 (GIF)");
  EXPECT_EQ(refusal("RIFF....WEBPVP8 "), "not a JPEG or PNG; begins with 52 49 46 46 (WebP)");
  EXPECT_EQ(refusal("x\xff"), "not a JPEG or PNG; begins with 78 ff");
  EXPECT_THAT(refusal(bytes_of(testing::kDeepGreyPng)), HasSubstr("grey with 16 bits"));
}

TEST(Decode, RefusesAnImageByItsHeaderWhenItWouldBeTooLarge) {
  EXPECT_EQ(refusal(bytes_of(testing::kHugePng)),
            "the image is 100000 x 100000 pixels; at most 67108864 are taken");
  std::string huge = bytes_of(testing::kJpeg);
  const size_t frame = huge.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  huge.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);  // 65280 x 65280
  EXPECT_THAT(refusal(huge), HasSubstr("65280 x 65280"));
}

TEST(PixelsOf, ReadsTheHeaderAlone) {
  EXPECT_EQ(pixels_of(bytes_of(testing::kJpeg)).value(), 12);
  EXPECT_EQ(pixels_of(bytes_of(testing::kPng)).value(), 4);
  EXPECT_EQ(pixels_of(bytes_of(testing::kDeepGreyPng)).value(), 1);
  const std::string file = bytes_of(testing::kJpeg);
  EXPECT_EQ(pixels_of(file.substr(0, file.size() - 20)).value(), 12);  // no whole scan
  EXPECT_THAT(std::string(pixels_of(bytes_of(testing::kHugePng)).status().message()),
              HasSubstr("100000 x 100000 pixels; at most"));
  EXPECT_FALSE(pixels_of("GIF89a...").ok());
}

TEST(Decode, RefusesAFileThatIsCutShortAnywhere) {
  for (const char* whole : {testing::kJpeg, testing::kProgressiveJpeg, testing::kCmykJpeg,
                            testing::kPng, testing::kPalettePng, testing::kInterlacedPng}) {
    const std::string file = bytes_of(whole);
    for (size_t length = 0; length < file.size(); ++length) {
      EXPECT_FALSE(decode_image(file.substr(0, length)).ok()) << length << " of " << file.size();
    }
  }
}

TEST(Decode, SurvivesADamagedByteAnywhere) {
  for (const char* whole : {testing::kJpeg, testing::kProgressiveJpeg, testing::kCmykJpeg,
                            testing::kPng, testing::kPalettePng, testing::kInterlacedPng}) {
    const std::string file = bytes_of(whole);
    for (size_t at = 0; at < file.size(); ++at) {
      for (const int damage : {0x01, 0x80, 0xff}) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(damaged[at] ^ damage);
        auto image = decode_image(damaged);  // some damage only changes colours
        EXPECT_TRUE(image.ok() || absl::IsInvalidArgument(image.status())) << image.status();
      }
    }
  }
}

TEST(Decode, RefusesAPictureThatItWouldHaveToMakeUp) {
  std::string damaged = bytes_of(testing::kJpeg);
  damaged.insert(damaged.size() - 6, "\xff\xd9");  // the scan ends before its last block
  EXPECT_THAT(refusal(damaged), HasSubstr("the JPEG is damaged: "));
  std::string corrupt = bytes_of(testing::kPng);
  corrupt[corrupt.size() - 20] ^= 1;
  EXPECT_THAT(refusal(corrupt), HasSubstr("the PNG is damaged: "));
}

}  // namespace
}  // namespace espalier
