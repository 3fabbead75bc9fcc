#include "core/prune/hard_concrete.h"

#include <cmath>

#include "gtest/gtest.h"

namespace espalier {
namespace {

Tensor logit(double a) { return torch::tensor({a}, at::kDouble); }

// log_alpha, P(open) and the soft value, computed from the definitions.
TEST(HardConcrete, HasTheProbabilitiesAndSoftValuesOfItsConstants) {
  const double rows[][3] = {{-4.60517, 0.04713, 0.00397},
                            {-1.598597, 0.5, 0.12806},
                            {0, 0.83182, 0.5},
                            {2, 0.97337, 0.91683},
                            {4.60517, 0.99798, 0.99603}};
  for (const auto& [a, open, soft] : rows) {
    EXPECT_NEAR(HardConcrete().open_probability(logit(a)).item<double>(), open, 5e-5) << a;
    EXPECT_NEAR(HardConcrete().soft_value(logit(a)).item<double>(), soft, 5e-5) << a;
  }
}

TEST(HardConcrete, SamplesAreExactlyZeroOrOneAsOftenAsTheySay) {
  const HardConcrete distribution;
  const int64_t draws = 200001;
  const Tensor uniform = at::linspace(0, 1, draws, at::kDouble);
  for (const double a : {-2.0, 0.0, 1.5}) {
    const Tensor z = distribution.sample(at::full({draws}, a, at::kDouble), uniform);
    EXPECT_NEAR(z.ne(0).to(at::kDouble).mean().item<double>(),
                distribution.open_probability(logit(a)).item<double>(), 1e-4);
    EXPECT_GE(z.min().item<double>(), 0);
    EXPECT_LE(z.max().item<double>(), 1);
  }
  const Tensor open = distribution.sample(at::zeros({draws}, at::kDouble), uniform);
  EXPECT_NEAR(open.eq(1).to(at::kDouble).mean().item<double>(), 0.168, 1e-3);
}

TEST(HardConcrete, ASampleBetweenItsEndsHasTheGradientOfASmallStep) {
  const HardConcrete distribution;
  Tensor a = logit(0.3).set_requires_grad(true);
  const Tensor u = logit(0.4);
  distribution.sample(a, u).sum().backward();
  const double step = 1e-6;
  const double slope =
      (distribution.sample(logit(0.3 + step), u) - distribution.sample(logit(0.3 - step), u))
          .item<double>() /
      (2 * step);
  EXPECT_NEAR(a.grad().item<double>(), slope, 1e-6);
}

TEST(HardConcrete, ClosesAsManyAsAreExpectedAndTheLowestFirst) {
  // Expected zeros: 2 x 0.002 + 2 x 0.953 = 1.91, so two.
  const Tensor gate =
      HardConcrete().deterministic(torch::tensor({4.60517, -4.60517, 4.60517, -4.7}, at::kDouble));
  EXPECT_TRUE(gate.ne(0).equal(torch::tensor({true, false, true, false})));
  EXPECT_NEAR(gate[0].item<double>(), 0.99603, 5e-5) << "open ones keep their soft value";
}

TEST(HardConcrete, OneOfEqualUnitsClosesAfterTheOtherAsTheShiftGrows) {
  const Tensor equal = at::full({5}, 4.60517, at::kDouble);
  int64_t before = 0;
  for (double closing = -10; closing <= 20; closing += 0.25) {
    const int64_t closed = HardConcrete().deterministic(equal, closing).eq(0).sum().item<int64_t>();
    EXPECT_GE(closed, before);
    EXPECT_LE(closed, before + 1) << "at a shift of " << closing;
    before = closed;
  }
  EXPECT_EQ(before, 5);
  EXPECT_EQ(HardConcrete().deterministic(equal, -10).eq(0).sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace espalier
