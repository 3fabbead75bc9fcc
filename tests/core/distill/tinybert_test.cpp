#include "core/distill/tinybert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/guard.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::shaped_model;
using testing::tiny_model;

TEST(TinyBert, PairsHeadsByTheirOriginalIds) {
  const HeadPairs pairs = paired_heads({0, 2, 3}, {1, 2, 3});
  EXPECT_EQ(pairs.student, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(pairs.teacher, (std::vector<int64_t>{1, 2}));
  const HeadPairs moved = paired_heads({0, 3}, {0, 1, 2, 3});
  EXPECT_EQ(moved.teacher, (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE(paired_heads({}, {0, 1}).student.empty());
}

TEST(TinyBert, SoftCrossEntropyIsAMeanOverClassesToo) {
  // The teacher says 3 : 1, the student 1 : 1 in the first row and 1 : 3 in the second.
  const double ln3 = std::log(3.0);
  const Tensor teacher = torch::tensor({ln3, 0.0, ln3, 0.0}).view({2, 2});
  const Tensor student = torch::tensor({0.0, 0.0, 0.0, ln3}).view({2, 2});
  const double first = std::log(2.0), second = 0.75 * std::log(4.0) + 0.25 * std::log(4.0 / 3);
  EXPECT_NEAR(soft_cross_entropy(student, teacher).item<double>(), (first + second) / 4, 1e-6);
  const Tensor counts = torch::tensor({false, true});
  EXPECT_NEAR(soft_cross_entropy(student, teacher, counts).item<double>(), second / 2, 1e-6);
}

// Sum over layers of the mean squared difference of the scores of heads with the same id, by a loop
// over rows, heads and the scores that are no padding.
double scores_by_loop(const Lesson& lesson) {
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double sum = 0;
  for (size_t i = 0; i < student.attention.size(); ++i) {
    const std::vector<int>& ours = lesson.student.config.layers[i].kept_heads;
    const std::vector<int>& theirs = lesson.teacher.model.config.layers[i].kept_heads;
    if (!student.attention[i].defined()) continue;
    double squares = 0;
    int64_t values = 0;
    for (size_t h = 0; h < ours.size(); ++h) {
      const auto found = std::find(theirs.begin(), theirs.end(), ours[h]);
      if (found == theirs.end()) continue;
      for (size_t row = 0; row < lesson.batch.lengths.size(); ++row) {
        const int64_t n = lesson.batch.lengths[row], b = static_cast<int64_t>(row);
        const Tensor gap = student.attention[i][b][static_cast<int64_t>(h)] -
                           teacher.attention[i][b][found - theirs.begin()];
        squares += gap.narrow(0, 0, n).narrow(1, 0, n).square().sum().item<double>();
        values += n * n;
      }
    }
    sum += squares / static_cast<double>(values);
  }
  return sum;
}

// Sum over the embeddings and the layers.
double states_by_loop(const Lesson& lesson) {
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double sum = (student.embedding - teacher.embedding).square().mean().item<double>();
  for (size_t i = 0; i < student.hidden.size(); ++i)
    sum += (student.hidden[i] - teacher.hidden[i]).square().mean().item<double>();
  return sum;
}

// Head 1 of the first layer is gone, and the whole attention of the second.
Gates without_heads(const ModelConfig& config) {
  Gates gates;
  gates.head = at::ones({3, 4});
  gates.head[0][1] = 0;
  gates.head[1].fill_(0);
  gates.seal(config);
  return gates;
}

TEST(TinyBert, ComparesStatesAndTheScoresOfHeadsThatBothHave) {
  TinyBert method{{.stage = "intermediate", .attention_weight = 2}};
  const Model model = tiny_model();
  Lesson lesson(method, fold(model, without_heads(model.config)));
  const double expected = states_by_loop(lesson) + 2 * scores_by_loop(lesson);
  EXPECT_NEAR(lesson.loss(), expected, 1e-4 * expected);
}

TEST(TinyBert, SeesClosedHeadsAsItSeesFoldedOnes) {
  TinyBert before{{.stage = "intermediate"}}, after{{.stage = "intermediate"}};
  const Model model = tiny_model();
  const Gates gates = without_heads(model.config);
  Lesson gated(before, model.clone()), folded(after, fold(model, gates));
  const double loss = folded.loss();
  EXPECT_NEAR(gated.loss(gates), loss, 1e-4 * loss);
}

TEST(TinyBert, RunsItsStagesOneAfterTheOther) {
  TinyBert both{{.intermediate_share = 0.25}}, first{{.stage = "intermediate"}},
      second{{.stage = "prediction"}};
  Lesson lesson(both), of_states(first), of_answers(second);
  EXPECT_NEAR(lesson.loss({}, 14), of_states.loss(), 1e-5);  // of 60 steps
  EXPECT_NEAR(lesson.loss({}, 15), of_answers.loss(), 1e-5);
  const Step step{};
  EXPECT_EQ(both.task_weight(step) + first.task_weight(step) + second.task_weight(step), 0);
  EXPECT_TRUE(first.needs().student.hidden);
  EXPECT_FALSE(second.needs().student.hidden);
  EXPECT_EQ(second.needs().teacher.attention, RecordAttention::kNone);
}

TEST(TinyBert, LearnsNumbersFromTheirLabelsAlone) {
  TinyBert method{{}};
  Lesson lesson(method);
  const auto numbers = *make_task("regression");
  lesson.bench.training.task = numbers.get();
  // Another number of outputs does not matter to it.
  const Teacher other{tiny_model(2, 5), "other"};
  lesson.bench.training.teachers = {&other};
  Trainer trainer(lesson.student, lesson.bench.training);
  EXPECT_EQ(method.task_weight({.index = 29, .total = 60}), 0);
  EXPECT_EQ(method.task_weight({.index = 30, .total = 60}), 1);
}

TEST(TinyBert, RefusesATeacherWithOtherOutputsOrHeads) {
  TinyBert both{{}}, first{{.stage = "intermediate"}};
  TinyBert states{{.stage = "intermediate", .attention_weight = 0}};
  EXPECT_THROW(Lesson(both, tiny_model(), tiny_model(2, 5)), StatusError);
  EXPECT_GT(Lesson(first, tiny_model(), tiny_model(2, 5)).loss(), 0);
  Model many_heads = tiny_model(2);
  many_heads.config.original_heads = 8;
  EXPECT_THROW(Lesson(first, tiny_model(), many_heads), StatusError);
  EXPECT_GT(Lesson(states, tiny_model(), many_heads).loss(), 0);
}

TEST(TinyBert, IsLearnedInEachStage) {
  for (const char* stage : {"intermediate", "prediction"}) {
    TinyBert method{{.stage = stage}};
    Lesson lesson(method);
    const auto [before, after] = lesson.train();
    EXPECT_LT(after, 0.95 * before) << stage;
  }
}

TEST(TinyBert, IsLearnedFromATeacherOfAnotherDepthAndWidth) {
  TinyBert method{{.stage = "intermediate", .projection_learning_rate = 1e-2}};
  Lesson lesson(method, tiny_model(), shaped_model(5, 6, 2));
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.9 * before);
}

}  // namespace
}  // namespace espalier
