#include "core/data/dataset.h"

#include <map>

#include "core/data/example_cache.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/data/splits_equal.h"
#include "tests/core/spec/scratch.h"

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

TEST(MakeBatch, LabelsTheRowsWhoseTargetIsKnown) {
  const std::map<Objective, std::vector<float>> targets = {{Objective::kClass, {2}},
                                                           {Objective::kValue, {2}},
                                                           {Objective::kLabels, {0, 1}},
                                                           {Objective::kSpan, {0, 1}}};
  for (const auto& [objective, target] : targets) {
    Batch batch = both(examples_of(objective, {{}, target}));
    EXPECT_TRUE(at::equal(batch.labelled, torch::tensor({int64_t{1}})));
    EXPECT_EQ(batch.labels.size(0), 1);
    EXPECT_EQ(batch.labels.numel(), static_cast<int64_t>(target.size()));
    EXPECT_EQ(batch.answers(), 2);
    EXPECT_EQ(batch.units(), 1);
    EXPECT_EQ(both(examples_of(objective, {{}, {}})).units(), 0);
    EXPECT_FALSE(both(examples_of(objective, {target, target})).labelled.defined());
  }
}

TEST(MakeBatch, CountsTokensWhoseClassIsNotKnownApart) {
  Batch batch = both(examples_of(Objective::kTokenClasses, {{-100, kUnknownClass}, {1}}));
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({-100, -101, 1}, torch::kInt64)));
  EXPECT_EQ(batch.answers(), 2);
  EXPECT_EQ(batch.units(), 1);
}

TEST(ExamplePool, HasTheLabelledRowsFirst) {
  const Examples known = examples_of(Objective::kClass, {{2}, {0}}),
                 unknown = examples_of(Objective::kClass, {{}, {}});
  const ExamplePool pool(known, &unknown);
  EXPECT_EQ(pool.size(), 4);
  EXPECT_EQ(ExamplePool(known).size(), 2);
  EXPECT_EQ(&pool.input(3), &unknown.inputs[1]);
  EXPECT_TRUE(pool.target(2).empty());
  const auto task = *make_task("text-classification");
  const std::vector<int64_t> rows = {3, 1, 0};
  const Batch batch = make_drawn_batch(pool, rows, *task, {}, 1);
  EXPECT_TRUE(at::equal(batch.labels, torch::tensor({0, 2}, torch::kInt64)));
  EXPECT_TRUE(at::equal(batch.labelled, torch::tensor({1, 2}, torch::kInt64)));
}

TEST(MakeBatch, LaysImagesOneAboveTheOther) {
  Examples examples = examples_of(Objective::kClass, {{2}, {0}});
  examples.inputs[0] = {.pixels = {1, 2, 250}, .image_tokens = 5};
  examples.inputs[1] = {.pixels = {4, 5, 6}, .image_tokens = 5};
  Batch batch = both(examples);
  EXPECT_TRUE(at::equal(batch.pixels, torch::tensor({{1, 2, 250}, {4, 5, 6}}, torch::kUInt8)));
  EXPECT_THAT(batch.lengths, ElementsAre(5, 5));
  examples.inputs[1].pixels.pop_back();
  EXPECT_THROW(both(examples), c10::Error);
}

TEST(MakeBatch, LeavesLabelsOutWhereNobodyAsks) {
  Examples examples = examples_of(Objective::kClass, {{}, {}});
  const std::vector<int64_t> rows = {0, 1};
  EXPECT_FALSE(make_batch(examples, rows, false).labels.defined());
  EXPECT_FALSE(examples.targets.known(0));
}

TEST(LoadSplits, ComeOutOfTheCacheAsTheyWereEncoded) {
  const testing::Scratch folder;
  std::string table = "text\tlabel\n";
  for (int i = 0; i < 30; ++i)
    table += std::string(static_cast<size_t>(i), 'a') + " b\t" + (i % 2 == 0 ? "x" : "y") + "\n";
  folder.write("train.tsv", table);
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nb\n");
  DatasetSpec spec;
  spec.folder = folder.path();
  spec.splits = {{"train", "train.tsv"}};
  spec.label_names = {"x", "y"};
  const auto tokenizer = *load_tokenizer(folder.path());
  const auto task = *make_task("text-classification", spec.label_names);
  ModelConfig config;
  const auto splits = load_splits(spec, *task, {tokenizer.get(), &config, 16});
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_GT(splits->train.truncated, 0);
  const ExampleCache cache(folder.path() + "/examples");
  ASSERT_TRUE(cache.keep("key", *splits).ok());
  testing::expect_equal(*cache.find("key"), *splits);
}

}  // namespace
}  // namespace espalier
