#include "core/distill/layer_match.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/random.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::shaped_model;
using testing::tiny_model;

using Match = std::vector<int>;
using Exists = std::vector<bool>;

Tensor random_distances(int64_t teacher, int64_t student, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty({teacher, student}).uniform_(0, 1, generator);
}

Exists random_layers(int64_t layers, uint64_t seed) {
  Random random(seed);
  Exists out;
  for (int64_t i = 0; i < layers; ++i) out.push_back(random.below(3) > 0);
  return out;
}

TEST(LayerMatch, TakesTheNearestLayerBelowTheOneBefore) {
  const Tensor distances = torch::tensor({4.0, 1.0, 2.0, 3.0,    // the lower teacher layer
                                          9.0, 8.0, 6.0, 7.0});  // the upper one
  EXPECT_EQ(match_in_order(distances.view({2, 4}), Exists(4, true)), (Match{1, 2}));
  EXPECT_EQ(match_in_order(distances.view({2, 4}), {true, false, true, true}), (Match{0, 2}));
  EXPECT_EQ(match_in_order(distances.view({2, 4}), {true, true, false, true}), (Match{1, 3}));
}

// Sorted by distance the layers are 1 2 0 3. The released code holds that list against `exists`
// place by place, so that layer 1, which is gone, passes because layer 0 is there.
TEST(LayerMatch, AsksALayerItselfWhetherItExists) {
  const Tensor distances = torch::tensor({3.0, 1.0, 2.0, 4.0}).view({1, 4});
  EXPECT_EQ(match_in_order(distances, {true, false, true, true}), (Match{2}));
  EXPECT_EQ(match_freely(distances, {true, false, true, true}), (Match{2}));
}

TEST(LayerMatch, InOrderFallsStrictlyAndTakesNoRemovedLayer) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Exists exists = random_layers(7, seed);
    const Match match = match_in_order(random_distances(4, 7, seed), exists);
    for (size_t j = 0; j < match.size(); ++j) {
      if (match[j] < 0) {
        EXPECT_EQ(exists, Exists(7, false));
        continue;
      }
      EXPECT_TRUE(exists[match[j]]);
      if (j + 1 == match.size() || match[j] < match[j + 1]) continue;
      // The one before again, since no layer is left below it.
      EXPECT_EQ(match[j], match[j + 1]);
      for (int i = 0; i < match[j]; ++i) EXPECT_FALSE(exists[i]);
    }
  }
}

TEST(LayerMatch, TakesTheOneBeforeAgainWhereNoneIsLeft) {
  const Tensor distances = torch::tensor({1.0, 1.0, 1.0, 1.0, 0.0, 5.0}).view({3, 2});
  EXPECT_EQ(match_in_order(distances, {true, true}), (Match{0, 0, 0}));
  EXPECT_EQ(match_in_order(distances, {false, true}), (Match{1, 1, 1}));
  EXPECT_EQ(match_in_order(distances, {false, false}), (Match{-1, -1, -1}));
  EXPECT_EQ(match_freely(distances, {false, false}), (Match{-1, -1, -1}));
}

TEST(LayerMatch, FreelyGivesOneLayerToSeveralTeachers) {
  const Tensor distances = torch::tensor({2.0, 1.0, 0.5, 0.1, 7.0, 9.0}).view({3, 2});
  EXPECT_EQ(match_freely(distances, {true, true}), (Match{1, 1, 0}));
}

TEST(LayerMatch, ByPlaceLeavesOutWhatIsGone) {
  EXPECT_EQ(match_by_place({2, 5, 8, 11}, 12, Exists(12, true)), (Match{2, 5, 8, 11}));
  EXPECT_EQ(match_by_place({2, 5, 8, 11}, 12, Exists(6, true)), (Match{1, 2, 4, 5}));
  EXPECT_EQ(match_by_place({0, 1, 2}, 3, {true, false, true}), (Match{0, -1, 2}));
}

TEST(LayerMatch, DrawsOneLayerFromEachWindow) {
  std::vector<int> seen(12, 0);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<int> drawn = draw_layers(12, seed);
    ASSERT_EQ(drawn.size(), 4u);
    EXPECT_EQ(drawn, draw_layers(12, seed));
    EXPECT_EQ(drawn[0], 2);
    for (int window = 1; window < 4; ++window) EXPECT_EQ(drawn[window] / 3, window);
    for (int layer : drawn) ++seen[layer];
  }
  for (int layer = 3; layer < 12; ++layer) EXPECT_GT(seen[layer], 50) << layer;
}

TEST(LayerMatch, ALayerExistsWhileOneOfItsSublayersIsOn) {
  Gates gates;
  EXPECT_EQ(existing_layers({true, false, true}, gates), (Exists{true, false, true}));
  gates.attention_on = {true, false, false};
  gates.ffn_on = {false, true, false};
  EXPECT_EQ(existing_layers({true, true, true}, gates), (Exists{true, true, false}));
}

// D[j, i] by a loop over tokens.
double error_of(const Trace& student, int i, const Trace& teacher, int j) {
  const Tensor gap = student.hidden[i] - teacher.hidden[j];
  double squares = 0;
  for (int64_t n = 0; n < gap.size(0); ++n) squares += gap[n].square().sum().item<double>();
  return squares / static_cast<double>(gap.numel());
}

TEST(LayerMatch, SumsTheErrorsOfThePairs) {
  LayerMatch method{{.weight = 0.9, .match = "fixed"}};
  Lesson lesson(method);
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double expected = 0;
  for (int i = 0; i < 3; ++i) expected += 0.9 * error_of(student, i, teacher, i);
  EXPECT_NEAR(lesson.loss(), expected, 1e-4 * expected);
}

TEST(LayerMatch, FreelyIsTheLeastErrorOfEachTeacherLayer) {
  LayerMatch method{{.match = "free"}};
  Lesson lesson(method);
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double expected = 0;
  for (int j = 0; j < 3; ++j) {
    double least = error_of(student, 0, teacher, j);
    for (int i = 1; i < 3; ++i) least = std::min(least, error_of(student, i, teacher, j));
    expected += least;
  }
  EXPECT_NEAR(lesson.loss(), expected, 1e-4 * expected);
}

// Layer 1 is gone.
Gates without_a_layer(const ModelConfig& config) {
  Gates gates;
  gates.attention = torch::tensor({1.0, 0.0, 1.0});
  gates.ffn = torch::tensor({1.0, 0.0, 1.0});
  gates.seal(config);
  return gates;
}

TEST(LayerMatch, SeesClosedLayersAsItSeesFoldedOnes) {
  const Model model = tiny_model();
  const Gates gates = without_a_layer(model.config);
  for (const char* match : {"ordered", "free", "fixed", "random"}) {
    LayerMatch before{{.match = match}}, after{{.match = match}};
    Lesson gated(before, model.clone()), folded(after, fold(model, gates));
    const double loss = folded.loss();
    EXPECT_GT(loss, 0);
    EXPECT_NEAR(gated.loss(gates), loss, 1e-4 * loss) << match;
  }
}

TEST(LayerMatch, OfAStudentWithoutLayersIsNothing) {
  LayerMatch method{{}};
  Lesson lesson(method);
  Gates gates;
  gates.attention = gates.ffn = at::zeros({3});
  gates.seal(lesson.student.config);
  EXPECT_EQ(lesson.loss(gates), 0);
}

TEST(LayerMatch, NeedsTheWholeBatchAndNoLabels) {
  const LayerMatch method{{}};
  EXPECT_TRUE(method.needs().whole_batch);
  EXPECT_EQ(method.task_weight({}), 0);
}

TEST(LayerMatch, IsLearned) {
  for (const char* match : {"ordered", "free", "fixed"}) {
    LayerMatch method{{.match = match}};
    Lesson lesson(method);
    const auto [before, after] = lesson.train();
    EXPECT_LT(after, 0.9 * before) << match;
  }
}

TEST(LayerMatch, IsLearnedFromATeacherOfAnotherDepthAndWidth) {
  for (const char* match : {"ordered", "fixed", "random"}) {
    LayerMatch method{{.match = match, .projection_learning_rate = 1e-2}};
    Lesson lesson(method, tiny_model(), shaped_model(6, 6, 2));
    const auto [before, after] = lesson.train();
    EXPECT_LT(after, 0.9 * before) << match;
  }
}

// Numbers of the CoFi authors' trainer (princeton-nlp/CoFiPruning at da855a8): its
// calculate_distillation_loss() in float64 with all layers alive, versions 3 and 4, no
// transformation, teacher layers 1, 2, 4, 5 of 6; layer l is sin(shift_l + 0.013 j) over j = 0 ..
// 3071, of the teacher with shifts l / 2.
TEST(LayerMatch, HasTheAuthorsLossesWhereEveryLayerExists) {
  const Tensor ramp = at::arange(3072, at::kDouble) * 0.013;
  const auto layer = [&](double shift) { return at::sin(ramp + shift).view({8, 384}); };
  std::vector<Tensor> student, teacher;
  for (const double shift : {0.35, 0.9, 1.3, 0.2, 2.1, 1.7}) student.push_back(layer(shift));
  for (const int l : {1, 2, 4, 5}) teacher.push_back(layer(0.5 * l));
  const std::vector<bool> all(6, true);
  const Tensor distances = layer_distances(student, teacher);
  const auto loss = [&](const std::vector<int>& match) {
    double sum = 0;
    for (size_t j = 0; j < match.size(); ++j)
      sum += at::mse_loss(student[match[j]], teacher[j]).item<double>();
    return sum;
  };
  EXPECT_NEAR(loss(match_freely(distances, all)), 0.101315160, 1e-9);
  EXPECT_NEAR(loss(match_in_order(distances, all)), 0.334736958, 1e-9);
}

}  // namespace
}  // namespace espalier
