#include "core/distill/token_hidden.h"

#include <gtest/gtest.h>

#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::shaped_model;
using testing::tiny_model;

TEST(TokenHidden, IsAMeanOverTokensByHand) {
  const Tensor student = torch::tensor({1.0, 2.0, 0.0, 0.0}).view({2, 2});
  const Tensor teacher = torch::tensor({1.0, 0.0, 3.0, 4.0}).view({2, 2});
  // Squared errors 4 and 25; the teacher's squares 1 and 25.
  EXPECT_NEAR(token_distance(student, teacher, false).item<double>(), (4 + 25) / 4.0, 1e-6);
  EXPECT_NEAR(token_distance(student, teacher, true).item<double>(), (4 + 1) / 2.0, 1e-6);
}

TEST(TokenHidden, ComparesEachLayerWithItsOwn) {
  TokenHidden method{{.weight = 3}};
  Lesson lesson(method);
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double expected = 0;
  for (size_t i = 0; i < 3; ++i) {
    const int64_t tokens = student.hidden[i].size(0);
    for (int64_t n = 0; n < tokens; ++n) {
      const Tensor h = student.hidden[i][n], t = teacher.hidden[i][n];
      expected += ((h - t).square().sum() / t.square().sum()).item<double>() / (3.0 * tokens);
    }
  }
  EXPECT_NEAR(lesson.loss(), 3 * expected, 1e-4 * expected);
}

TEST(TokenHidden, IsNothingBetweenEqualModels) {
  TokenHidden method{{}};
  EXPECT_NEAR(Lesson(method, tiny_model(), tiny_model()).loss(), 0, 1e-10);
}

TEST(TokenHidden, IsLearned) {
  TokenHidden method{{}};
  const auto [before, after] = Lesson(method).train();
  EXPECT_LT(after, 0.9 * before);
}

TEST(TokenHidden, IsLearnedFromATeacherOfAnotherDepthAndWidth) {
  TokenHidden method{{.projection_learning_rate = 1e-2}};
  Lesson lesson(method, tiny_model(), shaped_model(5, 6, 2));
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.9 * before);
}

}  // namespace
}  // namespace espalier
