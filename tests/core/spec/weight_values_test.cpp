#include "core/spec/weight_values.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;

template <class T>
absl::Status check(const char* dtype, const std::vector<T>& values) {
  const TensorInfo info = {
      dtype, {static_cast<int64_t>(values.size())}, 0, values.size() * sizeof(T)};
  return check_finite("w", info, reinterpret_cast<const std::byte*>(values.data()));
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(WeightValues, MayBeAnyFiniteNumber) {
  EXPECT_TRUE(check<float>("F32", {0, -0.0f, 3.4e38f, -3.4e38f, 1e-45f}).ok());
  EXPECT_TRUE(check<uint16_t>("F16", {0x7BFF, 0xFBFF, 0x0001}).ok());   // 65504, -65504, 6e-8
  EXPECT_TRUE(check<uint16_t>("BF16", {0x7F7F, 0xFF7F, 0x7C00}).ok());  // 3.4e38, -3.4e38, 2.7e36
  EXPECT_TRUE(check<uint8_t>("U8", {0xFF}).ok());
  EXPECT_TRUE(check<float>("F32", {}).ok());
}

TEST(WeightValues, AreRefusedWhenTheyAreNot) {
  EXPECT_THAT(check<float>("F32", {1, NAN, kInfinity}), Refuses("w holds NaN as value 2 of 3"));
  EXPECT_THAT(check<float>("F32", {1, 2, -kInfinity}), Refuses("w holds infinity as value 3 of 3"));
  EXPECT_THAT(check<uint16_t>("F16", {0xFC00}), Refuses("infinity as value 1 of 1; weights must be "
                                                        "finite numbers, and F16 ends at 65504"));
  EXPECT_THAT(check<uint16_t>("F16", {0x7E00}), Refuses("NaN"));
  EXPECT_THAT(check<uint16_t>("BF16", {0x7F80}), Refuses("infinity"));
  EXPECT_THAT(check<uint16_t>("BF16", {0xFFC0}), Refuses("NaN"));
}

TEST(WeightValues, NeedNotBeAligned) {
  const unsigned char bytes[] = {0, 0, 0, 0xC0, 0x7F};  // a NaN from the second byte on
  EXPECT_THAT(check_finite("w", {"F32", {1}, 0, 4}, reinterpret_cast<const std::byte*>(bytes) + 1),
              Refuses("NaN"));
}

}  // namespace
}  // namespace espalier
