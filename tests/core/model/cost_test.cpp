// What is counted beside the layers' parameters (fold_test.cpp has those).
#include "core/model/cost.h"

#include <gtest/gtest.h>

#include "core/model/fold.h"
#include "core/model/latency_table.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using testing::tiny_model;

TEST(Cost, OfMultiplyAccumulatesIsThatOfTheFoldedModel) {
  constexpr int kTokens = 11;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Model model = tiny_model(seed);
    Gates gates = testing::random_gates(model.config, seed);
    gates.weight.clear();
    const Cost cost(model.config, macs_cost(model.config, kTokens));
    EXPECT_DOUBLE_EQ(cost.dense(), count(model.config, kTokens).macs);
    EXPECT_DOUBLE_EQ(cost.actual(gates), count(fold(model, gates).config, kTokens).macs);
  }
}

TEST(Cost, OfAllParametersIsThatOfTheFoldedModel) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Model model = tiny_model(seed);
    Gates gates = testing::random_gates(model.config, seed);
    gates.weight.clear();
    const Cost cost(model.config, parameters_cost(model.config, /*all=*/true));
    EXPECT_DOUBLE_EQ(cost.dense(), count(model.config, 1).parameters);
    EXPECT_DOUBLE_EQ(cost.actual(gates), count(fold(model, gates).config, 1).parameters);
  }
}

TEST(Cost, OfUnitsAddsUpToTheirSubLayers) {
  const Model model = tiny_model();
  const Cost cost(model.config);
  EXPECT_DOUBLE_EQ(4 * cost.of_head(1) + 3 * 16, cost.of_attention(1));
  EXPECT_DOUBLE_EQ(24 * cost.of_neuron(1) + 3 * 16, cost.of_ffn(1));
}

// Hidden 8 and 16, heads 0, 2 and 4, neurons 0 and 24; the last layer is cheaper.
LatencyTable small_table() {
  LatencyTable table;
  table.machine = "a machine";
  table.precision = "fp32";
  table.rows = 2;
  table.tokens = 5;
  table.hidden = {8, 16};
  table.heads = {0, 2, 4};
  table.neurons = {0, 24};
  table.attention = {{0, 1, 1.5}, {0, 2, 3}};
  table.ffn = {{0, 4}, {0, 8}};
  table.last_attention = {{0, 0.5, 0.75}, {0, 1, 1.5}};
  table.last_ffn = {{0, 1}, {0, 2}};
  table.rest = {0.1, 0.3};
  return table;
}

TEST(LatencyTable, IsLinearBetweenWhatWasMeasured) {
  const ModelConfig config = testing::tiny_config();
  const Cost cost(config, latency_cost(small_table(), 3));
  EXPECT_NEAR(cost.dense(), 2 * (3 + 8) + 1.5 + 2 + 0.3, 1e-9);
  Gates gates;
  gates.head = at::ones({3, 4});
  gates.head[0][3] = 0;  // 3 heads: 2.5
  gates.neuron = at::ones({3, 24});
  gates.neuron[0].narrow(0, 0, 12).fill_(0);  // 12 neurons: 4
  EXPECT_NEAR(cost.actual(gates), 2.5 + 4 + 3 + 8 + 1.5 + 2 + 0.3, 1e-9);
  gates.hidden = at::ones({16});
  gates.hidden.narrow(0, 0, 4).fill_(0);  // halfway between the two widths
  EXPECT_NEAR(cost.actual(gates),
              (2.5 + 1.25) / 2 + (4 + 2) / 2.0 + (3 + 1.5) / 2 + (8 + 4) / 2.0 + (1.5 + 0.75) / 2 +
                  (2 + 1) / 2.0 + 0.2,
              1e-9);
}

TEST(LatencyTable, HasTheSlopeOfItsSegment) {
  const Cost cost(testing::tiny_config(), latency_cost(small_table(), 3));
  Gates open;
  open.neuron = at::full({3, 24}, 0.5, at::kDouble).set_requires_grad(true);
  cost.expected(open).backward();
  EXPECT_NEAR(open.neuron.grad()[0][3].item<double>(), 8.0 / 24, 1e-9);
  EXPECT_NEAR(open.neuron.grad()[2][3].item<double>(), 2.0 / 24, 1e-9);
}

TEST(LatencyTable, SurvivesItsCheckpoint) {
  const LatencyTable table = small_table();
  const LatencyTable again = LatencyTable::from_json(Json::parse(table.to_json().dump()));
  EXPECT_EQ(again.to_json(), table.to_json());
}

}  // namespace
}  // namespace espalier
