#include "core/image/resize.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;

// Values `first`, first + step, ... modulo 256.
Image ramp(int height, int width, int channels, int first, int step) {
  Image out{height, width, channels, {}};
  for (int i = 0; i < height * width * channels; ++i)
    out.pixels.push_back(static_cast<uint8_t>(first + i * step));
  return out;
}

std::vector<uint8_t> resized(int height, int width, Filter filter) {
  const Image out = resize(ramp(4, 5, 1, 11, 37), height, width, filter);
  EXPECT_EQ(out.height, height);
  EXPECT_EQ(out.width, width);
  return out.pixels;
}

// Expected values: Pillow 12.3, with
//   a = ((numpy.arange(20) * 37 + 11) % 256).astype("uint8").reshape(4, 5)
//   numpy.array(Image.fromarray(a).resize((width, height), filter)).reshape(-1)
TEST(Resize, ShrinksAsPillowDoes) {
  EXPECT_THAT(resized(2, 3, Filter::kNearest), ElementsAre(196, 14, 88, 54, 128, 202));
  EXPECT_THAT(resized(2, 3, Filter::kLanczos), ElementsAre(128, 92, 99, 122, 164, 138));
  EXPECT_THAT(resized(2, 3, Filter::kBilinear), ElementsAre(123, 95, 108, 121, 150, 138));
  EXPECT_THAT(resized(2, 3, Filter::kBicubic), ElementsAre(125, 90, 104, 119, 160, 140));
  EXPECT_THAT(resized(2, 3, Filter::kBox), ElementsAre(123, 50, 106, 109, 164, 156));
}

TEST(Resize, GrowsAsPillowDoes) {
  EXPECT_THAT(
      resized(5, 7, Filter::kNearest),
      ElementsAre(11, 48, 48, 85, 122, 122, 159, 196, 233, 233, 14, 51, 51, 88, 125, 162, 162, 199,
                  236, 236, 17, 125, 162, 162, 199, 236, 236, 17, 54, 91, 91, 128, 165, 165, 202));
  EXPECT_THAT(
      resized(5, 7, Filter::kLanczos),
      ElementsAre(0, 14, 54, 93, 119, 147, 163, 136, 182, 141, 15, 21, 93, 128, 191, 231, 203, 107,
                  139, 92, 6, 89, 103, 146, 198, 250, 160, 57, 49, 69, 100, 120, 142, 187, 217));
  EXPECT_THAT(
      resized(5, 7, Filter::kBilinear),
      ElementsAre(11, 32, 59, 85, 111, 138, 159, 141, 162, 137, 35, 61, 88, 109, 161, 182, 172, 107,
                  133, 105, 53, 104, 125, 152, 178, 204, 154, 72, 54, 75, 102, 128, 154, 181, 202));
  EXPECT_THAT(
      resized(5, 7, Filter::kBicubic),
      ElementsAre(1, 20, 54, 88, 114, 144, 164, 147, 181, 148, 21, 40, 85, 116, 175, 204, 190, 107,
                  139, 99, 30, 98, 117, 152, 192, 234, 159, 54, 49, 69, 99, 125, 150, 186, 213));
}

TEST(Resize, ShrinksOneSideAndGrowsTheOther) {
  EXPECT_THAT(resized(3, 8, Filter::kBicubic),
              ElementsAre(58, 78, 97, 66, 63, 91, 127, 150, 167, 189, 204, 132, 113, 145, 85, 36,
                          64, 80, 107, 140, 172, 193, 170, 149));
  EXPECT_THAT(resized(3, 8, Filter::kBox),
              ElementsAre(11, 11, 48, 85, 85, 122, 159, 159, 161, 161, 198, 107, 107, 144, 53, 53,
                          54, 54, 91, 128, 128, 165, 202, 202));
}

// The same with numpy.arange(30) * 53 + 7, shape (2, 5, 3), to (width, height) = (2, 3).
TEST(Resize, KeepsColoursApart) {
  EXPECT_THAT(resize(ramp(2, 5, 3, 7, 53), 3, 2, Filter::kBicubic).pixels,
              ElementsAre(88, 134, 81, 159, 106, 158, 104, 150, 101, 175, 122, 123, 119, 165, 120,
                          190, 137, 88));
}

TEST(Resize, LeavesAnImageOfTheAskedSizeAlone) {
  for (const Filter filter : {Filter::kNearest, Filter::kLanczos, Filter::kBicubic}) {
    EXPECT_EQ(resized(4, 5, filter), ramp(4, 5, 1, 11, 37).pixels);
  }
}

TEST(Resize, GoesToOnePixelAndBack) {
  const Image one = resize(ramp(4, 5, 1, 100, 0), 1, 1, Filter::kLanczos);
  EXPECT_THAT(one.pixels, ElementsAre(100));
  EXPECT_THAT(resize(one, 2, 2, Filter::kBicubic).pixels, ElementsAre(100, 100, 100, 100));
}

}  // namespace
}  // namespace espalier
