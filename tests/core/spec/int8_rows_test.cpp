#include "core/spec/int8_rows.h"

#include <cmath>
#include <limits>
#include <random>

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::Refuses;

// 254 / 127 = 2, which is short enough to be the scale itself.
TEST(Int8Rows, KeepTheLargestOfARowAndRoundTheRest) {
  const Int8Rows rows = quantise_rows(std::vector<float>{254, -254, 3, 2.9F, 0, 0.9F}.data(), 1, 6);
  EXPECT_THAT(rows.scales, ElementsAre(2.0F));
  EXPECT_THAT(rows.numbers, ElementsAre(127, -127, 2, 1, 0, 0));  // 1.5 goes to the even 2
}

TEST(Int8Rows, OfNothingAreZeros) {
  const std::vector<float> values = {0, 0, 1e-40F, -1e-31F};
  const Int8Rows rows = quantise_rows(values.data(), 2, 2);
  EXPECT_THAT(rows.scales, Each(1.0F));
  EXPECT_THAT(rows.numbers, Each(0));
}

// A NaN that became a 0 would be a model that nobody trained.
TEST(Int8Rows, DoNotHealWhatIsNotFinite) {
  for (const float wrong : {NAN, -NAN, INFINITY, -INFINITY}) {
    const std::vector<float> values = {1, wrong, 2, 127};
    const Int8Rows rows = quantise_rows(values.data(), 2, 2);
    EXPECT_TRUE(std::isnan(rows.scales[0])) << wrong;
    EXPECT_EQ(rows.scales[1], 1) << wrong;
    EXPECT_THAT(check_int8_rows("w", rows.numbers.data(), rows.scales.data(), 2, 2),
                Refuses("w: the scale of row 0 is nan"));
  }
}

// The law on which engines rely: values that were quantised have one reading.
TEST(Int8Rows, QuantisedTwiceAreQuantisedOnce) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const float spread : {1e-29F, 1e-3F, 0.05F, 1.0F, 1e30F}) {
    std::vector<float> values(200 * 37);
    for (float& value : values) value = spread * normal(random);
    const Int8Rows once = quantise_rows(values.data(), 200, 37);
    std::vector<float> back(values.size());
    dequantise_rows(once.numbers.data(), once.scales.data(), 200, 37, back.data());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_LE(std::abs(back[i] - values[i]), once.scales[i / 37] * 0.5001F);
    const Int8Rows twice = quantise_rows(back.data(), 200, 37);
    EXPECT_EQ(once.numbers, twice.numbers) << spread;
    EXPECT_EQ(once.scales, twice.scales) << spread;
    EXPECT_TRUE(check_int8_rows("w", once.numbers.data(), once.scales.data(), 200, 37).ok());
  }
}

absl::Status check_row(std::vector<int8_t> numbers, float scale) {
  return check_int8_rows("w", numbers.data(), &scale, 1, static_cast<int64_t>(numbers.size()));
}

TEST(Int8Rows, AreRefusedWhenTheIntegersCouldNotBeFoundAgain) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(check_row({127, -3}, 0.5F).ok());
  EXPECT_TRUE(check_row({0, 0}, 0.3F).ok());
  for (const float scale : {0.0F, -1.0F, NAN, kInfinity, 1e38F})
    EXPECT_THAT(check_row({127, 1}, scale), Refuses("w: the scale of row 0 is")) << scale;
  EXPECT_THAT(check_row({-128, 127}, 0.5F), Refuses("numbers up to 128"));
  EXPECT_THAT(check_row({90, 1}, 0.5F), Refuses("numbers up to 90; a scale has 17 significant"));
  EXPECT_THAT(check_row({127, 1}, 0.3F), Refuses("row 0 has the scale 0.3"));
}

}  // namespace
}  // namespace espalier
