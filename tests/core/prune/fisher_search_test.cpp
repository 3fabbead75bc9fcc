#include "core/prune/fisher_search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/prune/reachable.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using Importance = std::vector<std::vector<double>>;

// Layers of units with one price, after a price of the first one.
UnitMarket market(const Importance& importance, double price, double entry = 0) {
  UnitMarket out;
  std::vector<Tensor> rows;
  for (const std::vector<double>& layer : importance) {
    rows.push_back(torch::tensor(layer, at::kDouble));
    out.prices.emplace_back(1, 0.0);
    for (size_t i = 0; i < layer.size(); ++i)
      out.prices.back().push_back(entry + price * static_cast<double>(i + 1));
  }
  out.importance = at::stack(rows);
  return out;
}
UnitMarket no_heads() { return market({{}, {}}, 1); }

Tensor mask_of(const std::vector<std::vector<float>>& rows) {
  std::vector<Tensor> out;
  for (const std::vector<float>& row : rows) out.push_back(torch::tensor(row));
  return at::stack(out);
}

double kept_importance(const UnitMarket& units, const Tensor& mask) {
  return (units.importance * mask).sum().item<double>();
}

double price_of(const UnitMarket& units, const Tensor& mask) {
  double out = 0;
  for (int64_t i = 0; i < mask.size(0); ++i) out += units.prices[i][mask[i].sum().item<int64_t>()];
  return out;
}

// Over every subset.
double best_importance(const UnitMarket& heads, const UnitMarket& neurons, double budget) {
  const int64_t head_units = heads.importance.numel(),
                all = head_units + neurons.importance.numel();
  double best = 0;
  for (int64_t subset = 0; subset < int64_t{1} << all; ++subset) {
    std::vector<float> bits;
    for (int64_t i = 0; i < all; ++i) bits.push_back(static_cast<float>(subset >> i & 1));
    const Tensor chosen = torch::tensor(bits);
    const Tensor head = chosen.narrow(0, 0, head_units).view_as(heads.importance),
                 neuron =
                     chosen.narrow(0, head_units, all - head_units).view_as(neurons.importance);
    if (price_of(heads, head) + price_of(neurons, neuron) > budget) continue;
    best = std::max(best, kept_importance(heads, head) + kept_importance(neurons, neuron));
  }
  return best;
}

TEST(DiagonalFisher, IsTheSumOfSquaresOverMiniBatches) {
  const Tensor gradients = torch::tensor({1.0F, -2.0F, 3.0F, 0.0F}).view({2, 1, 2});
  EXPECT_TRUE(at::equal(diagonal_fisher(gradients), torch::tensor({{10.0, 4.0}}, at::kDouble)));
}

TEST(SearchUnits, FindsWhatEverySubsetTogetherDoesNotBeat) {
  const UnitMarket heads = market({{3, 9}, {6, 1}}, 5);
  const UnitMarket neurons = market({{2, 4.5}, {0.5, 3.5}}, 2);
  for (double budget = 0; budget <= 28; budget += 1) {
    const double best = best_importance(heads, neurons, budget);
    for (const bool drops : {false, true}) {
      const UnitMasks kept = search_units(heads, neurons, budget, drops);
      EXPECT_LE(price_of(heads, kept.head) + price_of(neurons, kept.neuron), budget);
      EXPECT_DOUBLE_EQ(kept_importance(heads, kept.head) + kept_importance(neurons, kept.neuron),
                       best)
          << "a budget of " << budget;
    }
  }
}

TEST(SearchUnits, KeepsAllForTheWholePriceAndNothingForNone) {
  const UnitMarket heads = market({{3, 9}, {6, 1}}, 5, 1), neurons = market({{2}, {0}}, 2, 3);
  const UnitMasks all = search_units(heads, neurons, 2 * 11 + 2 * 5, true);
  EXPECT_TRUE(at::equal(all.head, at::ones({2, 2})) && at::equal(all.neuron, at::ones({2, 1})));
  for (const double budget : {0.0, 4.9, -1.0}) {
    const UnitMasks none = search_units(heads, neurons, budget, true);
    EXPECT_EQ(none.head.sum().item<double>() + none.neuron.sum().item<double>(), 0);
  }
}

// The first unit of a layer costs 10, the second one 1.
TEST(SearchUnits, DropsASubLayerInFavourOfAnothersUnitsWhereThatIsAllowed) {
  const UnitMarket neurons = market({{5, 4}, {6, 0.5}}, 1, 9);
  EXPECT_TRUE(
      at::equal(search_units(no_heads(), neurons, 11, false).neuron, mask_of({{0, 0}, {1, 1}})))
      << "the most important unit, and what still fits";
  EXPECT_TRUE(
      at::equal(search_units(no_heads(), neurons, 11, true).neuron, mask_of({{1, 1}, {0, 0}})));
}

TEST(SearchUnits, TakesWhatStillFitsOnceTheNextUnitDoesNot) {
  UnitMarket neurons = market({{5}, {1}}, 10);
  neurons.prices[1] = {0, 1};
  EXPECT_TRUE(at::equal(search_units(no_heads(), neurons, 3, false).neuron, mask_of({{0}, {1}})));
}

TEST(SearchUnits, LeavesTheEntriesBehindANarrowerLayerClosed) {
  UnitMarket neurons = market({{1, 1}, {1, 9}}, 1);
  neurons.prices[1].pop_back();
  EXPECT_TRUE(
      at::equal(search_units(no_heads(), neurons, 9, true).neuron, mask_of({{1, 1}, {1, 0}})));
}

TEST(Prices, AddUpToTheCostOfAnyUnits) {
  const ModelConfig config = testing::tiny_config();
  for (const auto& function : {parameters_cost(config), macs_cost(config, 9)}) {
    const Cost cost(config, function);
    UnitMarket heads, neurons;
    heads.prices = head_prices(config, *function);
    neurons.prices = neuron_prices(config, *function);
    for (uint64_t seed = 1; seed < 6; ++seed) {
      Gates gates = testing::random_gates(config, seed, false);
      gates.attention = gates.ffn = Tensor();
      gates.weight.clear();
      gates.head[0].zero_();
      const double rest = cost.actual(all_closed(config, false));
      EXPECT_NEAR(price_of(heads, gates.head.ne(0)) + price_of(neurons, gates.neuron.ne(0)) + rest,
                  cost.actual(gates), 1e-9);
    }
  }
}

double norm_of_closed(const Tensor& mask, const Tensor& gradients) {
  return at::matmul(gradients, 1 - mask).norm().item<double>();
}

// Closing the units of 1 and -1.9 leaves 0.9, those of 2 and -1.9 a tenth.
TEST(Rearranged, ClosesUnitsWhoseGradientsCancel) {
  const Tensor gradients = torch::tensor({{1.0F, 2.0F, -1.9F}});
  const Tensor mask = torch::tensor({0.0F, 1.0F, 0.0F});
  EXPECT_TRUE(at::equal(rearranged(mask, gradients), torch::tensor({1.0F, 0.0F, 0.0F})));
}

TEST(Rearranged, KeepsTheNumberOfUnitsAndNeverRaisesTheNorm) {
  auto generator = at::detail::createCPUGenerator(3);
  int better = 0;
  for (int64_t kept = 0; kept <= 12; ++kept) {
    const Tensor gradients = at::empty({5, 12}).normal_(0, 1, generator);
    Tensor mask = at::zeros({12});
    mask.narrow(0, 0, kept).fill_(1);
    const Tensor now = rearranged(mask, gradients);
    EXPECT_EQ(now.sum().item<int64_t>(), kept);
    EXPECT_TRUE(now.eq(0).logical_or(now.eq(1)).all().item<bool>());
    const double before = norm_of_closed(mask, gradients), after = norm_of_closed(now, gradients);
    EXPECT_LE(after, before + 1e-5);
    better += after < before - 1e-3 ? 1 : 0;
  }
  EXPECT_GT(better, 5);
}

}  // namespace
}  // namespace espalier
