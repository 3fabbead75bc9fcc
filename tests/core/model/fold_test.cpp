#include "core/model/fold.h"

#include <gtest/gtest.h>

#include "core/model/cost.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using testing::tiny_model;

Gates heads_of_layer_closed(const Model& model, int layer) {
  Gates gates;
  gates.head = at::ones({3, 4});
  gates.head[layer].zero_();
  return gates;
}

TEST(Fold, RemovesTheColumnsOfAClosedHead) {
  Model model = tiny_model();
  Gates gates;
  gates.head = at::ones({3, 4});
  gates.head[1][2] = 0;
  Model folded = fold(model, gates);
  EXPECT_EQ(folded.config.layers[1].kept_heads, (std::vector<int>{0, 1, 3}));
  EXPECT_EQ(folded.layers[1].query.weight.sizes(), (std::vector<int64_t>{12, 16}));
  EXPECT_EQ(folded.layers[1].output.weight.sizes(), (std::vector<int64_t>{16, 12}));
  EXPECT_EQ(folded.layers[0].query.weight.size(0), 16);
}

TEST(Fold, KeepsOriginalIdsWhenFoldedAgain) {
  Model model = tiny_model();
  Gates gates;
  gates.head = at::ones({3, 4});
  gates.head[1][1] = 0;
  Model once = fold(model, gates);
  Gates again;
  again.head = at::ones({3, 4});
  again.head[1][1] = 0;  // the second of those left, which was head 2
  EXPECT_EQ(fold(once, again).config.layers[1].kept_heads, (std::vector<int>{0, 3}));
}

TEST(Fold, DropsASubLayerWithItsNormWhenItsLastUnitGoes) {
  Model folded = fold(tiny_model(), heads_of_layer_closed(tiny_model(), 2));
  EXPECT_FALSE(folded.layers[2].has_attention());
  EXPECT_FALSE(folded.layers[2].attention_norm.defined());
  EXPECT_TRUE(folded.layers[2].has_ffn());
}

TEST(Fold, SharesNoMemoryWithTheModel) {
  Model model = tiny_model();
  Model folded = fold(model, {});
  folded.word.zero_();
  EXPECT_GT(model.word.abs().sum().item<double>(), 0);
}

TEST(Fold, ReportsWhatItKept) {
  Gates gates;
  gates.hidden = at::ones({16});
  gates.hidden[3] = 0;
  FoldMap map;
  Model folded = fold(tiny_model(), gates, &map);
  EXPECT_EQ(folded.config.hidden, 15);
  EXPECT_EQ(map.hidden.size(0), 15);
  EXPECT_EQ(folded.pooler.inputs(), 15);
  EXPECT_EQ(folded.pooler.outputs(), 16);
}

TEST(Cost, CountsExactlyWhatFoldLeaves) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Model model = tiny_model(seed);
    Gates gates = testing::random_gates(model.config, seed);
    gates.weight.clear();
    Model folded = fold(model, gates);
    EXPECT_EQ(Cost(model.config).actual(gates), count(folded.config, 1).encoder_parameters)
        << "seed " << seed;
  }
}

TEST(Cost, ExpectsByHand) {
  // One layer of the tiny model: attention 4 * 16 * 16 weights, 3 * 16 biases, 3 * 16 output and
  // norm; FFN 2 * 16 * 24, 24, 3 * 16.
  Model model = tiny_model();
  Gates half;
  half.head = at::full({3, 4}, 0.5);
  double attention = 4 * 16 * 8 + 3 * 8 + 3 * 16, ffn = 2 * 16 * 24 + 24 + 3 * 16;
  EXPECT_DOUBLE_EQ(Cost(model.config).expected(half).item<double>(), 3 * (attention + ffn));
}

TEST(Cost, IsDifferentiable) {
  Model model = tiny_model();
  Gates gates;
  gates.neuron = at::full({3, 24}, 0.5, at::kDouble).set_requires_grad(true);
  Cost(model.config).expected(gates).backward();
  EXPECT_DOUBLE_EQ(gates.neuron.grad()[1][5].item<double>(), 2 * 16 + 1);
}

TEST(Gates, ACoarseGateIsZeroWhenAllItsFineGatesAre) {
  Model model = tiny_model();
  Gates gates = heads_of_layer_closed(model, 0);
  gates.seal(model.config);
  EXPECT_EQ(gates.attention_on, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(gates.ffn_on, (std::vector<bool>{true, true, true}));
}

TEST(Linear, AFactoredLayerEqualsItsProduct) {
  Linear factored;
  factored.down = at::randn({2, 5});
  factored.up = at::randn({3, 2});
  factored.bias = at::randn({3});
  Tensor x = at::randn({4, 5}), rank = torch::tensor({0.5, 2.0}, at::kFloat);
  Linear dense;
  dense.weight = at::matmul(factored.up * rank, factored.down);
  dense.bias = factored.bias;
  EXPECT_LE(testing::max_gap(factored.forward(x, {}, rank), dense.forward(x)), 1e-5);
}

}  // namespace
}  // namespace espalier
