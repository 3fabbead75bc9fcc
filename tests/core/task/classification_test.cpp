#include "core/task/classification.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/image/files.h"
#include "tests/core/task/characters.h"
#include "tests/core/task/predictions.h"

namespace espalier {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::predictions;
using testing::with_targets;

std::vector<Metric> evaluate(std::vector<std::vector<float>> logits, const Targets& targets,
                             const std::string& metric = "") {
  std::vector<std::string> labels(logits[0].size(), "x");
  return (*make_task("text-classification", labels, metric))
      ->evaluate(predictions(std::move(logits)), with_targets(targets));
}

TEST(Classification, CountsRightAnswersInPoints) {
  auto metrics = evaluate({{1, 2, 0}, {3, 2, 0}, {0, 0, 1}, {0, 1, 0}}, {1, 0, 2, 2});
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[0].name, "accuracy");
  EXPECT_EQ(metrics[0].value, 75);
  EXPECT_EQ(metrics[0].count, 4);
  EXPECT_EQ(metrics[0].interval, "clopper-pearson");
  EXPECT_NEAR(metrics[0].low, 19.412, 1e-3);
  EXPECT_NEAR(metrics[0].high, 99.369, 1e-3);
  EXPECT_EQ(metrics[1].name, "macro_f1");  // 1, 2/3 and 2/3
  EXPECT_NEAR(metrics[1].value, 100 * 7.0 / 9, 1e-9);
  EXPECT_EQ(metrics[2].name, "matthews");
}

TEST(Classification, AddsF1OfClassOneWhereThereAreTwo) {
  // Says 1 1 1 0, is 1 1 0 1: two hits, one false alarm, one miss.
  auto metrics = evaluate({{0, 1}, {0, 1}, {0, 1}, {1, 0}}, {1, 1, 0, 1});
  ASSERT_EQ(metrics.size(), 4u);
  EXPECT_EQ(metrics[0].value, 50);
  EXPECT_EQ(metrics[1].name, "f1");
  EXPECT_NEAR(metrics[1].value, 100 * 2.0 / 3, 1e-12);
  EXPECT_EQ(metrics[1].interval, "bootstrap");
  EXPECT_LT(metrics[1].low, metrics[1].value);
  EXPECT_GT(metrics[1].high, metrics[1].value);
}

TEST(Classification, PutsTheMetricThatDecidesFirst) {
  auto metrics = evaluate({{0, 1}, {1, 0}}, {1, 0}, "matthews");
  EXPECT_EQ(metrics[0].name, "matthews");
  EXPECT_EQ(metrics[0].value, 100);
  EXPECT_EQ(metrics[1].name, "accuracy");
}

TEST(Classification, LeavesUnlabelledExamplesOut) {
  Targets one_known = {1};
  one_known.add_unknown();
  EXPECT_EQ(evaluate({{0, 1}, {0, 1}}, one_known)[0].count, 1);
  Targets unknown;
  unknown.add_unknown();
  auto nothing = evaluate({{0, 1}}, unknown);
  EXPECT_EQ(nothing[0].value, 0);
  EXPECT_EQ(nothing[0].high, 100);
}

TEST(Classification, IsComparedByMcNemarUnlessAnotherMetricDecides) {
  // The first is right 5 times where the second is not: p = 2 / 2^5.
  std::vector<std::vector<float>> right(5, {0, 1}), wrong(5, {1, 0});
  const Examples ones = with_targets({1, 1, 1, 1, 1});
  auto test = (*make_task("text-classification"))
                  ->paired_test(predictions(right), predictions(wrong), ones);
  EXPECT_EQ(test.name, "mcnemar exact");
  EXPECT_NEAR(test.p_value, 1 / 16.0, 1e-12);
  auto by_f1 = (*make_task("text-classification", {"a", "b"}, "f1"))
                   ->paired_test(predictions(right), predictions(right), ones);
  EXPECT_EQ(by_f1.name, "paired bootstrap");
  EXPECT_EQ(by_f1.p_value, 1);
  EXPECT_THAT((std::vector<double>{by_f1.difference, by_f1.low, by_f1.high}), ElementsAre(0, 0, 0));
}

// One of 100 answers is wrong in each, not the same one: intervals of one model would hide that the
// difference is 0, and that it may be 3 points.
TEST(Classification, SaysHowFarTwoModelsLieApart) {
  std::vector<std::vector<float>> first(100, {0, 1}), second = first, third = first;
  first[7] = second[8] = {1, 0};
  for (int i = 0; i < 10; ++i) third[i] = {1, 0};
  Examples ones;
  for (int i = 0; i < 100; ++i) ones.targets.add(1.0F);
  const auto task = *make_task("text-classification");
  const auto same = task->paired_test(predictions(first), predictions(second), ones);
  EXPECT_EQ(same.difference, 0);
  EXPECT_GE(same.low, -5);
  EXPECT_LT(same.low, 0);
  EXPECT_LE(same.high, 5);
  EXPECT_GT(same.high, 0);
  const auto worse = task->paired_test(predictions(first), predictions(third), ones);
  EXPECT_NEAR(worse.difference, -9, 1e-9);  // points: 90 % after 99 %
  EXPECT_LT(worse.low, -9);
  EXPECT_GT(worse.high, -9);
  EXPECT_LT(worse.high, 0);
}

TEST(Classification, ReadsAnImageOfTheModelsSize) {
  ModelConfig config;
  config.channels = 3;
  config.image_size = config.patch_size = config.image.size = 2;
  config.positions = 2;
  const Reading reading{nullptr, &config, 2};
  const auto task = *make_task("image-classification", {"cat", "dog"});
  const std::string png = testing::bytes_of(testing::kPng);
  const std::vector<float> target = {1};
  Sample sample;
  sample.image = png;
  sample.target = target;
  auto windows = task->encode(reading, sample);
  ASSERT_TRUE(windows.ok()) << windows.status();
  ASSERT_EQ(windows->size(), 1u);
  EXPECT_EQ(windows->front().input.pixels.size(), config.pixels());
  EXPECT_EQ(windows->front().input.tokens(), 2);
  EXPECT_EQ(windows->front().target, target);
  sample.image = "GIF89a";
  EXPECT_THAT(std::string(task->encode(reading, sample).status().message()),
              HasSubstr("not a JPEG or PNG"));
}

absl::StatusOr<std::vector<Features>> pair_for(Family family, int token_types) {
  ModelConfig config;
  config.family = family;
  config.token_types = token_types;
  const testing::Characters letters;
  Sample sample;
  sample.text = "a";
  sample.pair = "b";
  sample.has_pair = true;
  return (*make_task("text-classification", {"no", "yes"}))->encode({&letters, &config, 8}, sample);
}

TEST(Classification, GivesAPairTheTypesThatTheModelReads) {
  EXPECT_THAT(pair_for(Family::kBert, 2)->front().input.types, ElementsAre(0, 0, 0, 1, 1));
  EXPECT_THAT(pair_for(Family::kElectra, 2)->front().input.types, ElementsAre(0, 0, 0, 1, 1));
  EXPECT_THAT(pair_for(Family::kRoberta, 1)->front().input.types, Each(0));
  EXPECT_THAT(pair_for(Family::kRoberta, 2)->front().input.types, Each(0));
  EXPECT_THAT(pair_for(Family::kDistilBert, 0)->front().input.types, Each(0));
  EXPECT_THAT(pair_for(Family::kMpnet, 0)->front().input.types, Each(0));
}

TEST(Classification, RefusesAPairWhoseTypesTheModelDoesNotHave) {
  const absl::Status refused = pair_for(Family::kBert, 1).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("token 3 has type 1; the model has 1 type (type_vocab_size"));
}

TEST(Classification, IsMadeByItsName) {
  auto task = make_task("text-classification");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ((*task)->name(), "text-classification");
  EXPECT_EQ((*task)->metric(), "accuracy");
  EXPECT_EQ((*task)->outputs(3), 3);
  EXPECT_THAT(std::string(make_task("poetry").status().message()),
              HasSubstr("known: text-classification"));
  EXPECT_THAT(std::string(make_task("text-classification", {}, "bleu").status().message()),
              HasSubstr("metric is \"bleu\"; this data set can be judged by: accuracy, macro_f1"));
}

}  // namespace
}  // namespace espalier
