#include "core/distill/layer_map.h"

#include <gtest/gtest.h>

namespace espalier {
namespace {

using Layers = std::vector<int>;

TEST(LayerMap, IsTinyBertsWhereTheDepthDivides) {
  EXPECT_EQ(uniform_layers(4, 12), (Layers{2, 5, 8, 11}));
  EXPECT_EQ(uniform_layers(6, 12), (Layers{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(uniform_state(0, 4, 12), 0);
  EXPECT_EQ(uniform_state(1, 4, 12), 3);
}

TEST(LayerMap, IsTheSameLayerWhereDepthsAgree) {
  EXPECT_EQ(uniform_layers(5, 5), (Layers{0, 1, 2, 3, 4}));
}

TEST(LayerMap, RoundsToTheNearestLayerAndEndsWithTheLast) {
  EXPECT_EQ(uniform_layers(5, 12), (Layers{1, 4, 6, 9, 11}));  // 2.4 4.8 7.2 9.6 12
  EXPECT_EQ(uniform_layers(3, 2), (Layers{0, 0, 1}));          // 0.67 1.33 2
}

TEST(LayerMap, LetsNoLayerBeTaughtByTheEmbeddings) {
  EXPECT_EQ(uniform_layers(12, 2), (Layers{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST(LayerMap, OfPkdLeavesTheLastLayerOut) {
  EXPECT_EQ(pkd_skip_layers(6, 12), (Layers{1, 3, 5, 7, 9}));
  EXPECT_EQ(pkd_skip_layers(3, 12), (Layers{3, 7}));
  EXPECT_EQ(pkd_last_layers(6, 12), (Layers{6, 7, 8, 9, 10}));
  EXPECT_EQ(pkd_skip_layers(3, 3), (Layers{0, 1}));
  EXPECT_EQ(pkd_last_layers(3, 3), (Layers{0, 1}));
  EXPECT_EQ(pkd_skip_layers(1, 12), Layers());
  EXPECT_EQ(pkd_last_layers(1, 12), Layers());
}

TEST(LayerMap, OfPkdServesStudentsThatAreDeeperThanTheTeacher) {
  EXPECT_EQ(pkd_skip_layers(6, 3), (Layers{0, 0, 1, 1, 2}));  // 0.5 1 1.5 2 2.5, halves upwards
  EXPECT_EQ(pkd_last_layers(6, 3), (Layers{0, 0, 0, 0, 1}));
}

TEST(LayerMap, OfCofiIsFourEvenlySpacedLayersOrAll) {
  EXPECT_EQ(spaced_layers(12), (Layers{2, 5, 8, 11}));
  EXPECT_EQ(spaced_layers(24), (Layers{5, 11, 17, 23}));
  EXPECT_EQ(spaced_layers(6), (Layers{1, 2, 4, 5}));
  EXPECT_EQ(spaced_layers(5), (Layers{0, 2, 3, 4}));
  EXPECT_EQ(spaced_layers(4), (Layers{0, 1, 2, 3}));
  EXPECT_EQ(spaced_layers(3), (Layers{0, 1, 2}));
  EXPECT_EQ(spaced_layers(1), (Layers{0}));
}

}  // namespace
}  // namespace espalier
