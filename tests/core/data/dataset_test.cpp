#include "core/data/dataset.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;

// Rows of two and of one token.
Examples examples_of(Objective objective, const std::vector<std::vector<float>>& targets) {
  Examples out;
  out.objective = objective;
  for (size_t i = 0; i < targets.size(); ++i) {
    Features features;
    features.input.ids.assign(2 - i, 5);
    features.input.types.assign(2 - i, 0);
    features.target = targets[i];
    out.add({}, {std::move(features)});
  }
  return out;
}

Batch both(const Examples& examples) {
  const std::vector<int64_t> rows = {0, 1};
  return make_batch(examples, rows);
}

TEST(PixelMemory, IsBounded) {
  ModelConfig config;
  DatasetFacts facts;
  facts.rows = {{"train", 50000}, {"report", 10000}};
  EXPECT_TRUE(check_pixel_memory(facts, config).ok());  // texts
  config.channels = 3;
  config.image_size = 32;
  EXPECT_TRUE(check_pixel_memory(facts, config).ok());
  config.image_size = 224;
  EXPECT_THAT(std::string(check_pixel_memory(facts, config).message()),
              ::testing::HasSubstr("the data set's 60000 images of 3 x 224 x 224 pixels take 8.4"));
}

TEST(SampleOf, IsAnImageWhereThereAreSome) {
  Rows rows;
  rows.images = {"one", "two"};
  rows.targets = {0, 1};
  EXPECT_EQ(sample_of(rows, 1).image, "two");
  EXPECT_FALSE(sample_of(rows, 1).has_pair);
}

TEST(MakeBatch, LabelsRowsWithClasses) {
  Batch batch = both(examples_of(Objective::kClass, {{2}, {0}}));
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({2, 0}, torch::kInt64)));
  EXPECT_EQ(batch.units(), 2);
}

TEST(MakeBatch, LabelsRowsWithNumbers) {
  Batch batch = both(examples_of(Objective::kValue, {{2.5}, {-1}}));
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({2.5f, -1.0f})));
}

TEST(MakeBatch, LabelsRowsWithSets) {
  Batch batch = both(examples_of(Objective::kLabels, {{1, 0, 1}, {0, 0, 0}}));
  EXPECT_THAT(batch.labels.sizes(), ElementsAre(2, 3));
  EXPECT_EQ(batch.labels.sum().item<float>(), 2);
}

TEST(MakeBatch, LabelsTokensAndCountsThem) {
  Batch batch = both(examples_of(Objective::kTokenClasses, {{-100, 3}, {1}}));
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({-100, 3, 1}, torch::kInt64)));
  EXPECT_EQ(batch.units(), 2);
}

TEST(MakeBatch, LabelsAskedWordsAndSentences) {
  Batch batch = both(examples_of(Objective::kWords, {{8, 9, -1}, {7, 1}}));
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({8, 9, 7}, torch::kInt64)));
  EXPECT_TRUE(at::equal(batch.sentences, torch::tensor({kUncounted, int64_t{1}})));
  EXPECT_EQ(batch.units(), 3);
  EXPECT_EQ(batch.words_per_sentence, 3);
}

TEST(MakeBatch, LabelsRowsWithStartAndEnd) {
  Batch batch = both(examples_of(Objective::kSpan, {{1, 4}, {0, 0}}));
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({1, 4, 0, 0}, torch::kInt64).view({2, 2})));
  EXPECT_EQ(batch.units(), 2);
}

TEST(MakeBatch, LeavesLabelsOutWhereNobodyAsks) {
  Examples examples = examples_of(Objective::kClass, {{}, {}});
  const std::vector<int64_t> rows = {0, 1};
  EXPECT_FALSE(make_batch(examples, rows, false).labels.defined());
  EXPECT_FALSE(examples.targets.known(0));
}

}  // namespace
}  // namespace espalier
