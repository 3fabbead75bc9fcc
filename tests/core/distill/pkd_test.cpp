#include "core/distill/pkd.h"

#include <gtest/gtest.h>

#include "core/base/guard.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::shaped_model;
using testing::tiny_model;

TEST(Pkd, ComparesDirectionsByHand) {
  const Tensor student = torch::tensor({5.0, 0.0}).view({1, 2});
  const Tensor teacher = torch::tensor({3.0, 4.0}).view({1, 2});  // 0.6, 0.8
  EXPECT_NEAR(patient_distance(student, teacher).item<double>(), (0.16 + 0.64) / 2, 1e-6);
  EXPECT_NEAR(patient_distance(student * 7, student).item<double>(), 0, 1e-12);
}

// Of 6 student layers and 12 teacher layers, by a loop over rows and values.
double by_loop(const Lesson& lesson, const std::vector<int>& teacher_layers) {
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double sum = 0;
  int64_t first = 0, values = 0;
  for (int64_t length : lesson.batch.lengths) {
    for (size_t i = 0; i < teacher_layers.size(); ++i) {
      const Tensor h = student.hidden[i][first], t = teacher.hidden[teacher_layers[i]][first];
      sum += (h / h.norm() - t / t.norm()).square().sum().item<double>();
      values += h.numel();
    }
    first += length;
  }
  return sum / static_cast<double>(values);
}

TEST(Pkd, ReadsFirstTokensOfSkippedOrOfLastLayers) {
  Pkd skip{{.weight = 2}}, last{{.weight = 2, .layers = "last"}};
  const Model student = shaped_model(6, 4, 1), teacher = shaped_model(12, 4, 2);
  Lesson skipping(skip, student, teacher), ending(last, student, teacher);
  const double of_skipped = 2 * by_loop(skipping, {1, 3, 5, 7, 9});
  EXPECT_NEAR(skipping.loss(), of_skipped, 1e-4 * of_skipped);
  const double of_last = 2 * by_loop(ending, {6, 7, 8, 9, 10});
  EXPECT_NEAR(ending.loss(), of_last, 1e-4 * of_last);
}

TEST(Pkd, LeavesLabelsAndAnswersToOthers) {
  const Pkd method{{}};
  EXPECT_EQ(method.task_weight({}), 1);
  EXPECT_TRUE(method.needs().student.hidden && method.needs().teacher.hidden);
  EXPECT_FALSE(method.needs().whole_batch);
}

TEST(Pkd, RefusesAStudentOfOneLayer) {
  Pkd method{{}};
  EXPECT_THROW(Lesson(method, shaped_model(1, 4, 1)), StatusError);
}

TEST(Pkd, IsLearned) {
  Pkd method{{}};
  Lesson lesson(method);
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.9 * before);
}

TEST(Pkd, IsLearnedFromATeacherOfAnotherDepthAndWidth) {
  Pkd method{{.projection_learning_rate = 1e-2}};
  Lesson lesson(method, tiny_model(), shaped_model(5, 6, 2));
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.9 * before);
}

}  // namespace
}  // namespace espalier
