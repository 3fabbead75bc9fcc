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
}

}  // namespace
}  // namespace espalier
