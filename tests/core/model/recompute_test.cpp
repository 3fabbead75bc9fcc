#include "core/model/recompute.h"

#include <gtest/gtest.h>

#include "core/kernels/dropout.h"
#include "tests/core/model/gradients.h"

namespace espalier {
namespace {

using testing::Walked;

// Squares x, drops half of it and multiplies by w; counts how often.
struct Counted {
  Tensor w = at::full({4}, 3.0).set_requires_grad(true);
  int runs = 0;
  std::vector<Tensor> outputs(const Tensor& x) {
    return recomputed(x, {w, Tensor()}, [this](const Tensor& in) {
      ++runs;
      return std::vector<Tensor>{dropout(in.square(), 0.5) * w, in + 1};
    });
  }
};

Tensor ramp() { return at::arange(1, 5, at::kFloat); }

TEST(Recomputed, RunsAgainInBackward) {
  at::manual_seed(1);
  Counted part;
  Tensor x = ramp().set_requires_grad(true);
  Tensor y = part.outputs(x)[0];  // the other output stays out of backward
  EXPECT_EQ(part.runs, 1);
  Tensor kept = y.detach() / part.w.detach();  // x^2 times the mask's scale
  y.sum().backward();
  EXPECT_EQ(part.runs, 2);
  EXPECT_TRUE(at::allclose(part.w.grad(), kept));
  EXPECT_TRUE(at::allclose(x.grad(), 2 * part.w.detach() * kept / ramp()));
}

TEST(Recomputed, LeavesTheGeneratorsWhereTheyWere) {
  auto next_key = [](bool backward) {
    at::manual_seed(1);
    Counted part;
    Tensor y = part.outputs(ramp())[0];
    draw_dropout_key();  // somebody else draws between the two
    if (backward) y.sum().backward();
    return draw_dropout_key();
  };
  EXPECT_EQ(next_key(true), next_key(false));
}

TEST(Recomputed, AnInputThatLearnsNothingGetsNothing) {
  Counted part;
  Tensor x = ramp();
  part.outputs(x)[0].sum().backward();
  EXPECT_TRUE(part.w.grad().defined());
  EXPECT_FALSE(x.grad().defined());
}

TEST(Recomputed, RunsOnceWhereNobodyLearns) {
  Counted part;
  torch::NoGradGuard no_grad;
  EXPECT_FALSE(part.outputs(ramp())[0].requires_grad());
  EXPECT_EQ(part.runs, 1);
}

// Gradients with and without recomputation are apart by at most this share of the largest of all;
// 0: the same bits.
void expect_same(Model model, Walked how, double share, const Gates& gates = {}) {
  const auto kept = testing::gradients(model, how, gates);
  how.checkpointing = true;
  const auto again = testing::gradients(model, how, gates);
  ASSERT_EQ(kept.size(), again.size());
  double largest = 0;
  for (const auto& [name, grad] : kept)
    largest = std::max(largest, grad.abs().max().item<double>());
  for (const auto& [name, grad] : kept)
    EXPECT_LE(testing::max_gap(grad, again.at(name)), share * largest) << name;
}

TEST(Checkpointing, GradientsAreTheSameToTheBit) {
  for (Precision precision : {Precision::kFp32, Precision::kBf16})
    expect_same(testing::tiny_model(), {.dropout = 0.3, .precision = precision}, 0);
}

TEST(Checkpointing, SoTheyAreWithNormsFirstAndBiasesByDistance) {
  ModelConfig config = testing::tiny_config();
  config.norm_first = true;
  config.relative_buckets = 8;
  config.relative_max_distance = 16;
  expect_same(random_model(config, 3), {.dropout = 0.3}, 0);
}

TEST(Checkpointing, GatesGetTheirGradients) {
  // The hidden gate and the states that a distiller reads are read by several parts: their sums go
  // in another order.
  const Model model = testing::tiny_model();
  const Gates gates = testing::random_gates(model.config, 5);
  expect_same(model, {.dropout = 0.3}, 1e-5, gates);
}

TEST(Checkpointing, RecordedStatesPassTheirGradientsOn) {
  Walked how{.dropout = 0.3};
  how.record.hidden = true;
  how.record.attention = RecordAttention::kProbabilities;
  expect_same(testing::tiny_model(), how, 1e-5);
}

TEST(Checkpointing, AFrozenLayerPassesGradientsThrough) {
  Model model = testing::tiny_model();
  TrainBackend backend(model, 0);
  backend.set_checkpointing(true);
  model.layers[0].up.weight.set_requires_grad(true);  // nothing below it, nothing above it
  const Batch batch = testing::tiny_batch(testing::tiny_examples(8), 8);
  walk(backend, batch).logits.sum().backward();
  EXPECT_GT(model.layers[0].up.weight.grad().abs().max().item<double>(), 0);
  EXPECT_FALSE(model.layers[1].up.weight.grad().defined());
}

}  // namespace
}  // namespace espalier
