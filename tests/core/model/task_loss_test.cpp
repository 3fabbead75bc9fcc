#include "core/model/task_loss.h"

#include <cmath>

#include "gtest/gtest.h"

namespace espalier {
namespace {

Batch labelled(Tensor labels) {
  Batch batch;
  batch.labels = std::move(labels);
  return batch;
}

double loss(Objective objective, const Tensor& logits, Tensor labels) {
  return task_loss(objective, logits, labelled(std::move(labels))).item<double>();
}

Tensor whole(std::vector<int64_t> values) { return torch::tensor(values, torch::kInt64); }

// Natural logarithms of softmax by hand: odds 1 : 3 and 1 : 1.
TEST(TaskLoss, IsTheMeanCrossEntropyOfClasses) {
  Tensor logits = torch::tensor({0.0, std::log(3.0), 2.0, 2.0}).view({2, 2});
  EXPECT_NEAR(loss(Objective::kClass, logits, whole({1, 0})), (std::log(4.0 / 3) + std::log(2)) / 2,
              1e-6);
}

TEST(TaskLoss, IsTheMeanSquaredErrorOfValues) {
  EXPECT_NEAR(
      loss(Objective::kValue, torch::tensor({1.0, 3.0}).view({2, 1}), torch::tensor({1.5f, 1.0f})),
      (0.25 + 4) / 2, 1e-6);
}

TEST(TaskLoss, AsksEveryLabelForItself) {
  // sigmoid(log 3) = 3/4: the first label is missed by 1/4, the second by 3/4.
  Tensor logits = at::full({1, 2}, std::log(3.0));
  EXPECT_NEAR(loss(Objective::kLabels, logits, torch::tensor({1.0f, 0.0f}).view({1, 2})),
              (std::log(4.0 / 3) + std::log(4)) / 2, 1e-6);
}

TEST(TaskLoss, LeavesTokensWithoutALabelOut) {
  Tensor logits = torch::tensor({9.0, 0.0, 0.0, std::log(3.0), 0.0, 5.0}).view({3, 2});
  EXPECT_NEAR(loss(Objective::kTokenClasses, logits, whole({kUncounted, 1, kUncounted})),
              std::log(4.0 / 3), 1e-6);
  EXPECT_EQ(loss(Objective::kTokenClasses, logits, whole({kUncounted, kUncounted, kUncounted})), 0);
}

// Words of odds 1 : 3 and pairs of odds 1 : 3, 1 : 1; `labels` of the pairs.
struct Speech {
  Trace trace;
  Batch batch;
};
Speech speech(int64_t words, std::vector<int64_t> labels) {
  Speech out;
  const auto pairs = static_cast<int64_t>(labels.size());
  out.trace.logits = torch::tensor({0.0, std::log(3.0)}).repeat({words, 1});
  out.trace.sentence_logits =
      torch::tensor({0.0, std::log(3.0), 2.0, 2.0}).view({2, 2}).slice(0, 0, pairs);
  out.batch = labelled(at::ones({words}, at::kLong));
  out.batch.counted = words;
  out.batch.sentences = whole(std::move(labels));
  return out;
}

double loss(const Speech& speech) {
  return task_loss(Objective::kWords, speech.trace, speech.batch).item<double>();
}

TEST(TaskLoss, AddsTheMeansOfWordsAndSentences) {
  Speech both = speech(3, {0, 1});
  weigh_sentences({&both.batch, 1});
  EXPECT_NEAR(loss(both), std::log(4.0 / 3) + (std::log(4) + std::log(2)) / 2, 1e-6);
  Speech one = speech(3, {0, kUncounted});
  weigh_sentences({&one.batch, 1});
  EXPECT_NEAR(loss(one), std::log(4.0 / 3) + std::log(4), 1e-6);
  Speech none = speech(3, {kUncounted, kUncounted});
  weigh_sentences({&none.batch, 1});
  EXPECT_NEAR(loss(none), std::log(4.0 / 3), 1e-6);
}

TEST(TaskLoss, OfMicroBatchesAddsUpToThatOfTheStep) {
  Speech whole_step = speech(4, {0, 0});
  weigh_sentences({&whole_step.batch, 1});
  Speech first = speech(1, {0}), second = speech(3, {0});
  second.trace.sentence_logits = torch::tensor({2.0, 2.0}).view({1, 2});
  std::vector<Batch> micro = {first.batch, second.batch};
  weigh_sentences(micro);
  first.batch = micro[0];
  second.batch = micro[1];
  EXPECT_NEAR(loss(first) * 1 / 4 + loss(second) * 3 / 4, loss(whole_step), 1e-6);
}

// Rows of two tokens and of one, whose softmax sees its own tokens only.
TEST(TaskLoss, AsksForStartAndEndAmongTheTokensOfTheRow) {
  Batch batch = labelled(whole({1, 0, 0, 0}).view({2, 2}));
  batch.lengths = {2, 1};
  Tensor logits = torch::tensor({0.0, 2.0, std::log(3.0), 2.0, -9.0, 9.0}).view({3, 2});
  EXPECT_NEAR(task_loss(Objective::kSpan, logits, batch).item<double>(),
              (std::log(4.0 / 3) + std::log(2) + 0 + 0) / 4, 1e-6);
  Tensor spans = span_logits(logits, batch);
  EXPECT_EQ(spans.sizes(), (std::vector<int64_t>{2, 2, 2}));
  EXPECT_EQ(spans[0][0][1].item<double>(), logits[1][0].item<double>());
  EXPECT_EQ(at::softmax(spans, -1)[1][1][1].item<double>(), 0);
}

// The loss of a step that is cut into micro-batches of so many rows, each weighted by its units.
double weighed(Objective objective, const Tensor& logits, const Tensor& labels,
               const std::vector<double>& weights, int64_t rows) {
  std::vector<Tensor> scores = logits.split(rows), truths = labels.split(rows);
  std::vector<Batch> micro;
  int64_t units = 0;
  for (const Tensor& truth : truths) {
    micro.push_back(labelled(truth));
    micro.back().lengths.assign(static_cast<size_t>(truth.size(0)), 1);
    if (objective == Objective::kTokenClasses)
      micro.back().counted = truth.ne(kUncounted).sum().item<int64_t>();
    units += micro.back().units();
  }
  weigh_classes(objective, weights, micro);
  double sum = 0;
  for (size_t i = 0; i < micro.size(); ++i) {
    sum += task_loss(objective, scores[i], micro[i]).item<double>() *
           static_cast<double>(micro[i].units());
  }
  return sum / static_cast<double>(std::max<int64_t>(units, 1));
}

// Losses log 4/3, log 2 and log 4 of rows that count 3, 1 and 1.
TEST(TaskLoss, OfWeighedClassesIsOverTheSumOfTheirWeights) {
  Tensor logits = torch::tensor({0.0, std::log(3.0), 2.0, 2.0, 0.0, std::log(3.0)}).view({3, 2});
  const double expected = (3 * std::log(4.0 / 3) + std::log(2) + std::log(4)) / 5;
  for (const int64_t rows : {3, 2, 1}) {
    EXPECT_NEAR(weighed(Objective::kClass, logits, whole({1, 0, 0}), {1, 3}, rows), expected, 1e-6)
        << rows;
  }
}

// The tokens that count have the losses log 4/3, of weight 3, and log 2; one piece has none of
// them.
TEST(TaskLoss, OfWeighedTokensLeavesThoseWithoutALabelOut) {
  Tensor logits = torch::tensor({9.0, 0.0, 0.0, std::log(3.0), 0.0, 5.0, 2.0, 2.0}).view({4, 2});
  const Tensor labels = whole({kUncounted, 1, kUncounted, 0});
  const double expected = (3 * std::log(4.0 / 3) + std::log(2)) / 4;
  for (const int64_t tokens : {4, 2, 1}) {
    EXPECT_NEAR(weighed(Objective::kTokenClasses, logits, labels, {1, 3}, tokens), expected, 1e-6)
        << tokens;
  }
  EXPECT_EQ(weighed(Objective::kTokenClasses, logits, at::full_like(labels, kUncounted), {1, 3}, 4),
            0);
}

// sigmoid(log 3) = 3/4: a yes to the first label costs log 4/3 and counts 5, a no to the second
// costs log 4 and counts 1; the second row has it the other way round.
TEST(TaskLoss, OfWeighedLabelsLetsAYesCountMore) {
  Tensor logits = at::full({2, 2}, std::log(3.0));
  const Tensor labels = torch::tensor({1.0f, 0.0f, 0.0f, 1.0f}).view({2, 2});
  const double expected = (5 * std::log(4.0 / 3) + 2 * std::log(4) + 2 * std::log(4.0 / 3)) / 4;
  for (const int64_t rows : {2, 1})
    EXPECT_NEAR(weighed(Objective::kLabels, logits, labels, {5, 2}, rows), expected, 1e-6) << rows;
}

TEST(TaskLoss, OfClassesThatWeighTheSameIsTheMean) {
  Tensor logits = torch::tensor({0.0, std::log(3.0), 2.0, 2.0}).view({2, 2});
  EXPECT_NEAR(weighed(Objective::kClass, logits, whole({1, 0}), {7, 7}, 1),
              loss(Objective::kClass, logits, whole({1, 0})), 1e-6);
}

// A batch of three rows, of which the middle one has labels.
Batch middle_labelled(Tensor labels) {
  Batch batch = labelled(std::move(labels));
  batch.lengths = {1, 2, 1};
  batch.labelled = whole({1});
  batch.unlabelled = 2;
  return batch;
}

TEST(TaskLoss, LeavesRowsWithoutALabelOut) {
  Tensor logits = torch::tensor({9.0, -9.0, 0.0, std::log(3.0), std::nan(""), 0.0}).view({3, 2});
  const auto loss = [&](Objective objective, const Tensor& of, Tensor labels) {
    return task_loss(objective, of, middle_labelled(std::move(labels))).item<double>();
  };
  EXPECT_NEAR(loss(Objective::kClass, logits, whole({1})), std::log(4.0 / 3), 1e-6);
  EXPECT_NEAR(loss(Objective::kLabels, logits, torch::tensor({1.0f, 1.0f}).view({1, 2})),
              (std::log(2) + std::log(4.0 / 3)) / 2, 1e-6);
  EXPECT_NEAR(loss(Objective::kValue, logits.select(1, 1).unsqueeze(1), torch::tensor({0.0f})),
              std::log(3.0) * std::log(3.0), 1e-6);
  // One, two and one tokens; starts of 1 : 3 and ends of 1 : 1 in the middle row.
  Tensor tokens = torch::tensor({9.0, 9.0, 0.0, 2.0, std::log(3.0), 2.0, 5.0, 5.0}).view({4, 2});
  EXPECT_NEAR(loss(Objective::kSpan, tokens, whole({1, 0}).view({1, 2})),
              (std::log(4.0 / 3) + std::log(2)) / 2, 1e-6);
}

TEST(TaskLoss, LeavesTokensOfUnknownClassOut) {
  Tensor logits = torch::tensor({9.0, 0.0, 0.0, std::log(3.0), 0.0, 5.0}).view({3, 2});
  Batch batch = labelled(whole({-101, 1, kUncounted}));
  batch.counted = 2;
  batch.unlabelled = 1;
  const auto loss = [&] {
    return task_loss(Objective::kTokenClasses, logits, batch).item<double>();
  };
  EXPECT_NEAR(loss(), std::log(4.0 / 3), 1e-6);
  weigh_classes(Objective::kTokenClasses, {1, 3}, {&batch, 1});
  EXPECT_NEAR(batch.mean_class_weight, 3, 1e-12);
  EXPECT_NEAR(loss(), std::log(4.0 / 3), 1e-6);
}

TEST(TaskLoss, IsNothingWhereNoRowHasALabel) {
  Batch batch = labelled(whole({}));
  batch.lengths = {1, 1};
  batch.labelled = whole({});
  batch.unlabelled = 2;
  Tensor logits = at::ones({2, 2}).set_requires_grad(true);
  for (const Objective objective :
       {Objective::kClass, Objective::kValue, Objective::kLabels, Objective::kSpan}) {
    Tensor loss = task_loss(objective, logits, batch);
    EXPECT_EQ(loss.item<double>(), 0);
    loss.backward();
    EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
  }
}

TEST(TaskLoss, KeepsDoublesAndWidensTheRest) {
  Batch batch = labelled(whole({0}));
  EXPECT_EQ(task_loss(Objective::kClass, at::zeros({1, 2}, at::kDouble), batch).scalar_type(),
            at::kDouble);
  EXPECT_EQ(task_loss(Objective::kClass, at::zeros({1, 2}, at::kBFloat16), batch).scalar_type(),
            at::kFloat);
}

TEST(Batch, CountsRowsOrTheTokensThatCount) {
  Batch batch;
  batch.lengths = {3, 2};
  EXPECT_EQ(batch.units(), 2);
  batch.counted = 4;
  EXPECT_EQ(batch.units(), 4);
  batch.unlabelled = 3;
  EXPECT_EQ(batch.units(), 1);
  EXPECT_EQ(batch.answers(), 4);
}

}  // namespace
}  // namespace espalier
