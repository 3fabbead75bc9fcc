#include "core/distill/soft_labels.h"

#include <cmath>

#include "core/base/guard.h"
#include "gtest/gtest.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::shaped_model;
using testing::tiny_model;

TEST(SoftLabels, OfTokensCountOnlyThoseThatHaveALabel) {
  // The teacher says 3 : 1, the student 1 : 1: KL = 3/4 log(3/2) + 1/4 log(1/2).
  Tensor teacher = torch::tensor({std::log(3.0), 0.0, 7.0, 0.0}).view({2, 2});
  Tensor counts = torch::tensor({true, false});
  const double kl = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  EXPECT_NEAR(kl_with_temperature(at::zeros({2, 2}), teacher, 1, counts).item<double>(), kl, 1e-6);
  EXPECT_EQ(kl_with_temperature(at::zeros({2, 2}), teacher, 1, torch::tensor({false, false}))
                .item<double>(),
            0);
}

// Of the CoFi authors' trainer (see layer_match_test.cpp), at temperature 2, in float64 there.
TEST(SoftLabels, HaveTheLossOfCofisTrainer) {
  const Tensor teacher = torch::tensor({{0.2, -0.1}, {1.5, -0.7}}),
               student = torch::tensor({{0.6, 0.4}, {-0.3, 0.9}});
  EXPECT_NEAR(kl_with_temperature(student, teacher, 2).item<double>(), 0.651811819, 5e-7);
}

TEST(SoftLabels, OfYesAndNoAreTheMeanOverAllLabels) {
  Tensor teacher = torch::tensor({std::log(3.0), 0.0}).view({1, 2});
  const double kl = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  EXPECT_NEAR(binary_kl_with_temperature(at::zeros({1, 2}), teacher, 1).item<double>(), kl / 2,
              1e-6);
  EXPECT_NEAR(binary_kl_with_temperature(teacher, teacher, 3).item<double>(), 0, 1e-7);
}

// The teacher says 3 : 1 of every word and sentence, the student 1 : 1.
TEST(SoftLabels, OfWordsAreThoseOfTheSentencesToo) {
  const double kl = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  Trace student, teacher;
  student.logits = at::zeros({4, 2});
  teacher.logits = torch::tensor({std::log(3.0), 0.0}).repeat({4, 1});
  student.sentence_logits = at::zeros({3, 2});
  teacher.sentence_logits = torch::tensor({std::log(3.0), 0.0}).repeat({3, 1});
  Batch batch;
  batch.counted = 4;
  batch.sentences = torch::tensor({int64_t{0}, int64_t{kUncounted}, int64_t{1}}, at::kLong);
  weigh_sentences({&batch, 1});
  auto loss = [&] { return word_kl_with_temperature(student, teacher, batch, 1).item<double>(); };
  EXPECT_NEAR(loss(), 2 * kl, 1e-6);
  teacher.sentence_logits[1].fill_(9);  // no label: does not count
  EXPECT_NEAR(loss(), 2 * kl, 1e-6);
  teacher.sentence_logits = Tensor();
  EXPECT_NEAR(loss(), kl, 1e-6);
}

TEST(SoftLabels, CosineDistanceIsAMeanOverTokens) {
  const Tensor student = torch::tensor({5.0, 0.0, 1.0, 1.0}).view({2, 2});
  const Tensor teacher = torch::tensor({3.0, 4.0, -1.0, -1.0}).view({2, 2});  // cos 0.6 and -1
  EXPECT_NEAR(cosine_distance(student, teacher).item<double>(), (0.4 + 2) / 2, 1e-6);
}

TEST(SoftLabels, AddTheCosineDistanceOfTheLastStates) {
  SoftLabels plain{{}}, with_cosine{{.cosine = 0.5}};
  Lesson without(plain), lesson(with_cosine);
  const Trace student = lesson.student_trace(), teacher = lesson.teacher_trace();
  double distance = 0;
  const int64_t tokens = student.hidden[2].size(0);
  for (int64_t n = 0; n < tokens; ++n) {
    const Tensor h = student.hidden[2][n], t = teacher.hidden[2][n];
    distance += 1 - (h * t).sum().item<double>() / (h.norm() * t.norm()).item<double>();
  }
  const double expected = without.loss() + 0.5 * distance / static_cast<double>(tokens);
  EXPECT_NEAR(lesson.loss(), expected, 1e-4 * expected);
}

TEST(SoftLabels, ReadHiddenStatesForTheCosineAlone) {
  const SoftLabels plain{{}}, with_cosine{{.cosine = 1}};
  EXPECT_FALSE(plain.needs().student.hidden || plain.needs().teacher.hidden);
  EXPECT_TRUE(with_cosine.needs().student.hidden && with_cosine.needs().teacher.hidden);
}

TEST(SoftLabels, TakeTheCosineOfDifferentWidthsThroughAProjection) {
  SoftLabels plain{{}}, with_cosine{{.cosine = 1}};
  EXPECT_TRUE(plain.parameters().empty());
  Lesson lesson(with_cosine, tiny_model(), shaped_model(3, 6, 2));
  EXPECT_GT(lesson.loss(), 0);
  ASSERT_EQ(with_cosine.parameters().size(), 1u);
  EXPECT_EQ(with_cosine.parameters().front().parameters.front().size(0),
            shaped_model(3, 6, 2).config.hidden);
}

TEST(SoftLabels, AreLearnedWithTheCosine) {
  SoftLabels method{{.cosine = 2}};
  Lesson lesson(method);
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.95 * before);
}

}  // namespace
}  // namespace espalier
