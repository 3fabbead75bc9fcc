#include "core/model/attention.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

// In float64; the second layer has lost a head, and gives its columns of the table up.
Model biased_model() {
  ModelConfig config = testing::tiny_config();
  config.relative_buckets = 8;
  config.layers[1].kept_heads = {0, 2, 3};
  Model model = random_model(config, 1);
  auto generator = at::detail::createCPUGenerator(3);
  model.for_each([&](const std::string& name, Tensor& tensor) {
    if (name.find("norm") == std::string::npos)
      tensor = at::empty_like(tensor).normal_(0, 0.5, generator);
    tensor = tensor.to(at::kDouble);
  });
  return model;
}

Tensor loss_of(const Model& model) {
  TrainBackend backend(model);
  const Trace trace = walk(backend, testing::tiny_batch(testing::tiny_examples(6), 6));
  return trace.logits.square().sum();
}

TEST(RelativeBias, GivesALayerItsKeptHeads) {
  const Model model = biased_model();
  const Tensor all = relative_bias(model, 3);
  ASSERT_EQ(all.sizes().vec(), (std::vector<int64_t>{4, 5}));
  EXPECT_TRUE(kept_bias(model, 0, all).is_same(all));
  EXPECT_TRUE(at::equal(kept_bias(model, 1, all), all.index_select(0, torch::tensor({0, 2, 3}))));
  EXPECT_FALSE(relative_bias(testing::tiny_model(), 3).defined());
}

// Against the difference quotient in a random direction: no layer is left out or counted twice.
TEST(RelativeBias, LearnsFromAllLayers) {
  Model model = biased_model();
  model.attention_bias.set_requires_grad(true);
  loss_of(model).backward();
  const Tensor gradient = model.attention_bias.grad().clone();
  const Tensor table = model.attention_bias.detach().clone();
  at::manual_seed(5);
  const Tensor direction = at::randn(table.sizes(), table.options());
  const double step = 1e-5;
  model.attention_bias = table + step * direction;
  const double up = loss_of(model).item<double>();
  model.attention_bias = table - step * direction;
  const double down = loss_of(model).item<double>();
  const double expected = (up - down) / (2 * step);
  EXPECT_NEAR((gradient * direction).sum().item<double>(), expected, 1e-4 * std::abs(expected));
}

// Rows that stay may be shorter than the one that the bias was made for.
TEST(RelativeBias, StaysWithTheRowsThatStay) {
  const Model model = biased_model();
  TrainBackend backend(model);
  const std::vector<float> label = {0};
  Examples examples;
  examples.add(Input{.ids = {3, 7, 5}, .types = {0, 0, 1}}, label);
  examples.add(Input{.ids = {4, 2, 9, 9, 8, 7}, .types = {0, 0, 0, 1, 1, 1}}, label);
  Hidden both = backend.embed(testing::tiny_batch(examples, 2), {});
  Hidden one = backend.embed(testing::tiny_batch(examples, 1), {});
  both = backend.take(both, at::zeros({1}, at::kLong));
  for (const int layer : {0, 1}) {
    both = backend.attend(layer, both, {}, nullptr);
    one = backend.attend(layer, one, {}, nullptr);
  }
  EXPECT_LT(testing::max_gap(backend.tokens(both), backend.tokens(one)), 1e-12);
}

// Rows of 3 and 2 tokens, recorded both ways.
TEST(AttentionMaps, OfProbabilitiesAreTheSoftmaxOfThoseOfScores) {
  auto generator = at::detail::createCPUGenerator(5);
  const Tensor qkv = at::empty({5, 24}).normal_(0, 1, generator);
  const TokenRows rows({3, 2}, torch::kCPU);
  AttentionMaps scores{RecordAttention::kScores, {}},
      probabilities{RecordAttention::kProbabilities, {}};
  attend_rows(qkv, rows, 2, {}, 0, &scores);
  attend_rows(qkv, rows, 2, {}, 0, &probabilities);
  EXPECT_LE(testing::max_gap(at::softmax(scores.values[0], -1), probabilities.values[0]), 1e-6);
  using namespace torch::indexing;
  const auto real = [](const Tensor& maps) {
    return maps.index({1, Slice(), Slice(0, 2), Slice(0, 2)});
  };
  EXPECT_LE(testing::max_gap(at::softmax(real(scores.values), -1), real(probabilities.values)),
            1e-6);
  for (const Tensor& maps : {scores.values, probabilities.values}) {
    EXPECT_EQ(maps.index({1, Slice(), 2}).abs().max().item<double>(), 0) << "no such query";
    EXPECT_EQ(maps.index({1, Slice(), Slice(), 2}).abs().max().item<double>(), 0) << "no such key";
  }
}

TEST(AttentionMaps, OfTwoKindsCannotBeRecordedTogether) {
  Record scores, probabilities;
  scores.attention = RecordAttention::kScores;
  probabilities.attention = RecordAttention::kProbabilities;
  EXPECT_EQ((scores | Record()).attention, RecordAttention::kScores);
  EXPECT_EQ((Record() | probabilities).attention, RecordAttention::kProbabilities);
  EXPECT_THROW(scores | probabilities, c10::Error);
}

}  // namespace
}  // namespace espalier
