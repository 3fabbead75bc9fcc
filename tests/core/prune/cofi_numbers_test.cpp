// Numbers of the CoFi authors' own code (princeton-nlp/CoFiPruning at da855a8), run in float64.
//
// How they were made: their L0Module of 6 layers, 384 dimensions, 12 heads and 1,536 neurons, of
// pruning type heads + mlp + hidden + layer, with droprate 0.5, temperature 2/3, a target sparsity
// of 0.8 and no warm-up; lambda 1 set to 0.3, lambda 2 to 0.7; every log-alpha tensor filled with a
// constant or with the ramp -4 + 8 i / (n - 1) over its n elements, then constrain_parameters().
// Printed were lagrangian_regularization(0), the gradients that its backward() left, the masks of
// forward(training=False), and clamped quantile_concrete() of the uniforms ((7919 i mod n) + 0.5) /
// n. Sparsities and gradients are theirs to 9 and 10 digits.
#include <gtest/gtest.h>

#include <array>

#include "core/prune/cofi.h"

namespace espalier {
namespace {

constexpr int kLayers = 6, kHeads = 12, kNeurons = 1536, kHidden = 384;

ModelConfig authors_config() {
  ModelConfig config;
  config.hidden = kHidden;
  config.original_heads = kHeads;
  LayerShape layer{{}, kHidden / kHeads, kNeurons};
  for (int i = 0; i < kHeads; ++i) layer.kept_heads.push_back(i);
  config.layers.assign(kLayers, layer);
  return config;
}

struct Sampled {
  double sum;
  int64_t zeros, ones;
};

// By hidden, head, attention, neuron, ffn.
struct Expected {
  const char* name;
  double fill;  // NaN: the ramp
  double sparsity, lagrangian;
  std::array<double, 5> grad_sum, grad_middle, mask_sum;
  std::array<int64_t, 5> kept;
  std::array<Sampled, 5> sampled;
};

const double kRamp = std::nan("");
const Expected kCases[] = {
    {"open",
     10,
     0.007117369,
     0.202199217,
     {1.622792919e-03, 5.418692748e-04, 5.418692748e-04, 1.080923644e-03, 1.080923644e-03},
     {4.226023227e-06, 7.525962150e-06, 9.031154580e-05, 1.172877218e-07, 1.801539407e-04},
     {381.481296, 71.714499, 5.976208, 9161.527303, 5.976208},
     {383, 72, 6, 9198, 6},
     {{{378.966192, 1, 366}, {71.096960, 0, 69}, {6, 0, 6}, {9095.115462, 19, 8782}, {6, 0, 6}}}},
    {"zero",
     0,
     0.425062125,
     -0.014076475,
     {2.174724435e-02, 7.261655747e-03, 7.261655747e-03, 1.448558861e-02, 1.448558861e-02},
     {5.663344884e-05, 1.008563298e-04, 1.210275958e-03, 1.571786958e-06, 2.414264768e-03},
     {159.5, 30, 3, 3834, 3},
     {319, 60, 6, 7668, 6},
     {{{192, 65, 65}, {36, 12, 12}, {3, 1, 1}, {4608, 1550, 1550}, {3, 1, 1}}}},
    {"closing",
     -1.5,
     0.855759587,
     0.018904268,
     {-2.592292850e-02, -8.655964850e-03, -8.655964850e-03, -1.726696365e-02, -1.726696365e-02},
     {-6.750762630e-05, -1.202217340e-04, -1.442660808e-03, -1.873585465e-06, -2.877827275e-03},
     {28.512064, 5.106638, 0.851106, 685.991750, 0.851106},
     {201, 36, 6, 4836, 6},
     {{{80.180335, 183, 17},
       {15.032232, 34, 3},
       {1.255347, 3, 0},
       {1924.320133, 4381, 398},
       {1.255347, 3, 0}}}},
    {"opening",
     2,
     0.078789631,
     0.147737967,
     {1.741229344e-02, 5.814165633e-03, 5.814165633e-03, 1.159812781e-02, 1.159812781e-02},
     {4.534451417e-05, 8.075230046e-05, 9.690276055e-04, 1.258477410e-06, 1.933021301e-03},
     {342.893412, 66.011566, 5.500964, 8223.940912, 5.500964},
     {374, 72, 6, 8970, 6},
     {{{329.212531, 10, 230},
       {61.729929, 2, 43},
       {5.179443, 0, 4},
       {7901.097001, 245, 5521},
       {5.179443, 0, 4}}}},
    {"ramp",
     kRamp,
     0.610364808,
     -0.031717503,
     {-2.223911858e-03, -4.415557273e-04, -4.468066229e-04, -8.855903728e-04, -8.970168688e-04},
     {-7.060067447e-06, -1.360333083e-05, -9.098874202e-05, -2.201094480e-07, -1.813615333e-04},
     {186.386192, 34.312716, 2.938686, 4310.052072, 2.938686},
     {265, 51, 4, 6353, 4},
     {{{192.498496, 120, 120},
       {38.549916, 1, 0},
       {4.046604, 1, 2},
       {4608.476712, 2859, 2859},
       {4.046604, 1, 2}}}},
};

class CofiNumbers : public ::testing::TestWithParam<Expected> {
 protected:
  // Their five tensors, within the clamp of a step.
  static std::array<Tensor, 5> logits() {
    const std::array<std::vector<int64_t>, 5> shapes = {
        {{kHidden}, {kLayers, kHeads}, {kLayers}, {kLayers, kNeurons}, {kLayers}}};
    std::array<Tensor, 5> out;
    for (size_t i = 0; i < out.size(); ++i) {
      Tensor t = at::empty(shapes[i], at::kDouble);
      const auto n = static_cast<double>(t.numel());
      if (std::isnan(GetParam().fill)) {
        t = (at::arange(t.numel(), at::kDouble) * 8 / (n - 1) - 4).view(shapes[i]);
      } else {
        t.fill_(GetParam().fill);
      }
      out[i] = t.clamp(-std::log(100.0), std::log(100.0)).set_requires_grad(true);
    }
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Authors, CofiNumbers, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(CofiNumbers, OfTheExpectedSparsityTheLagrangianAndItsGradientsAreTheAuthors) {
  const std::array<Tensor, 5> own = logits();
  const HardConcrete distribution;
  Gates open;
  open.hidden = distribution.open_probability(own[0]);
  open.head = distribution.open_probability(own[1]);
  open.attention = distribution.open_probability(own[2]);
  open.neuron = distribution.open_probability(own[3]);
  open.ffn = distribution.open_probability(own[4]);
  const Tensor sparsity = cofi_expected_sparsity(authors_config(), open);
  EXPECT_NEAR(sparsity.item<double>(), GetParam().sparsity, 1e-9);
  Lagrangian lagrangian;
  {
    torch::NoGradGuard no_grad;
    Tensor multipliers = lagrangian.multipliers();
    multipliers.copy_(torch::tensor({0.3, 0.7}, at::kDouble));
  }
  const Tensor penalty = lagrangian.penalty(sparsity, 0.8);
  EXPECT_NEAR(penalty.item<double>(), GetParam().lagrangian, 1e-9);
  penalty.backward();
  for (size_t i = 0; i < own.size(); ++i) {
    const Tensor grad = own[i].grad().flatten();
    const double sum = GetParam().grad_sum[i], middle = GetParam().grad_middle[i];
    EXPECT_NEAR(grad.sum().item<double>(), sum, 1e-8 * std::abs(sum)) << i;
    EXPECT_NEAR(grad[grad.numel() / 2].item<double>(), middle, 1e-8 * std::abs(middle)) << i;
  }
  const double gap = GetParam().sparsity - 0.8;
  EXPECT_NEAR(lagrangian.multipliers().grad()[0].item<double>(), gap, 2e-9);
  EXPECT_NEAR(lagrangian.multipliers().grad()[1].item<double>(), gap * gap, 2e-9);
}

TEST_P(CofiNumbers, OfTheMasksOfAnEvaluationAreTheAuthors) {
  const std::array<Tensor, 5> own = logits();
  const HardConcrete distribution;
  for (size_t i = 0; i < own.size(); ++i) {
    // Groups: all hidden dimensions, the units of a layer, each sub-layer.
    const int64_t groups = i == 0 ? 1 : kLayers;
    const Tensor rows = own[i].view({groups, -1});
    double sum = 0;
    int64_t kept = 0;
    for (int64_t g = 0; g < groups; ++g) {
      const Tensor gate = distribution.deterministic(rows[g]);
      sum += gate.sum().item<double>();
      kept += gate.ne(0).sum().item<int64_t>();
    }
    EXPECT_EQ(kept, GetParam().kept[i]) << i;
    EXPECT_NEAR(sum, GetParam().mask_sum[i], 1e-6) << i;
  }
}

TEST_P(CofiNumbers, OfASampleFromGivenUniformsAreTheAuthors) {
  const std::array<Tensor, 5> own = logits();
  for (size_t i = 0; i < own.size(); ++i) {
    const int64_t n = own[i].numel();
    const Tensor places = at::arange(n, at::kLong);
    const Tensor uniform =
        ((places * 7919).remainder(n).to(at::kDouble) + 0.5) / static_cast<double>(n);
    const Tensor z = HardConcrete().sample(own[i].flatten(), uniform);
    const Sampled& expected = GetParam().sampled[i];
    EXPECT_NEAR(z.sum().item<double>(), expected.sum, 1e-6) << i;
    EXPECT_EQ(z.eq(0).sum().item<int64_t>(), expected.zeros) << i;
    EXPECT_EQ(z.eq(1).sum().item<int64_t>(), expected.ones) << i;
  }
}

}  // namespace
}  // namespace espalier
