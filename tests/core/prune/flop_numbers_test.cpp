// Numbers of the FLOP authors' own code (asappresearch/flop at bdfc184), run in float64.
//
// How they were made: HardConcreteProjectedLinear of 384 -> 384, 384 -> 1536 and 1536 -> 384 with
// their default ranks, log_alpha of the k-th (from 0) set to offset + size sin(0.7 i + k). Printed
// were the sum of num_parameters(), the expected sparsity and the Lagrangian of the training loop
// (the lines of examples/enwik8/train_enwik8.py that compute them, with num_prunable_parameters())
// at a target of 0.8 with lambda 1 of 0.3 and lambda 2 of 0.7, the gradients that its backward()
// left, the masks of HardConcrete in evaluation with num_parameters(train=False), and masks in
// training whose uniforms were ((7919 i mod n) + 0.5) / n.
//
// Where we differ: sparsity counts biases and norms and what rounding the rank lost, see flop.h.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "core/prune/flop.h"
#include "tests/core/prune/pruning_run.h"
#include "tests/testing/wave.h"

namespace espalier {
namespace {

struct FlopSample {
  double sum;
  int64_t zeros, ones;
};

struct FlopCase {
  const char* name;
  double offset, size;
  double parameters, sparsity, lagrangian;
  std::array<double, 3> grad_sum, grad_middle, mask_sum;
  std::array<int64_t, 3> kept;
  int64_t left;  // parameters of the masks of an evaluation
  std::array<FlopSample, 3> sampled;
};

const FlopCase kFlopCases[] = {
    {"at_the_start",
     0,
     0.01,
     1215811.477954,
     0.083330711106,
     1.445296220823e-01,
     {5.9726720321e-03, 2.3876244545e-02, 2.3876473130e-02},
     {3.1354881798e-05, 7.7155181747e-05, 7.7287061850e-05},
     {88.035273324, 140.554911183, 140.553735187},
     {176, 281, 281},
     1214208,
     {{{96.006933397, 16, 16}, {153.505013659, 25, 26}, {153.502519041, 26, 25}}}},
    {"spread",
     0,
     4,
     961749.571853,
     0.274882403966,
     3.548866395501e-02,
     {4.7437228900e-03, 1.8923829915e-02, 1.9020710440e-02},
     {4.0772920839e-05, 1.2276701787e-06, 2.7694535726e-06},
     {93.850483856, 149.306430259, 149.193686626},
     {140, 223, 223},
     963840,
     {{{95.938593114, 57, 54}, {154.552099618, 85, 83}, {155.000959428, 86, 87}}}},
    {"closing",
     -2,
     1,
     781038.761843,
     0.411130541701,
     -1.080721857117e-02,
     {5.8655531792e-03, 2.3461757815e-02, 2.3473472110e-02},
     {3.2892901492e-05, 5.7587235137e-05, 6.4527147729e-05},
     {27.227157474, 43.396199057, 43.385690750},
     {113, 181, 181},
     781824,
     {{{35.442492881, 78, 2}, {56.137537775, 125, 4}, {56.368780206, 127, 6}}}},
    {"open",
     3,
     2,
     1313036.216351,
     0.010027461857,
     1.998478662714e-01,
     {8.7159863277e-04, 3.5167800406e-03, 3.5176785417e-03},
     {1.3089410954e-05, 7.7365039721e-07, 1.1640797015e-06},
     {167.135338133, 267.118519496, 267.100567455},
     {190, 304, 304},
     1313280,
     {{{167.986205691, 2, 116}, {269.819634029, 3, 186}, {269.357165853, 2, 185}}}},
    {"far",
     0,
     25,
     714883.819813,
     0.461008507789,
     -2.125678540934e-02,
     {4.6825187252e-05, 1.1956672378e-03, 7.2074585864e-04},
     {6.6948039564e-14, 8.7443132715e-16, 1.4565634151e-13},
     {103.522714638, 150.768683635, 157.064793659},
     {108, 162, 167},
     714624,
     {{{101.435400202, 86, 94}, {151.524796158, 144, 143}, {157.900807228, 138, 147}}}},
};

constexpr int64_t kFlopInputs[] = {384, 384, 1536}, kFlopOutputs[] = {384, 1536, 384};
constexpr double kFlopPrunable = 1326336;  // parameters of all factors

void set_to(const Tensor& parameter, const Tensor& value) {
  torch::NoGradGuard no_grad;
  Tensor target = parameter;
  target.copy_(value);
}

class FlopNumbers : public ::testing::TestWithParam<FlopCase> {
 protected:
  static std::vector<Tensor> logits() {
    std::vector<Tensor> out;
    for (int k = 0; k < 3; ++k) {
      const int64_t rank = even_rank(kFlopOutputs[k], kFlopInputs[k]);
      const Tensor own = testing::wave({rank}, 0.7, k, GetParam().size) + GetParam().offset;
      out.push_back(own.set_requires_grad(true));
    }
    return out;
  }
  HardConcrete distribution_{.temperature = 1};
};
INSTANTIATE_TEST_SUITE_P(Authors, FlopNumbers, ::testing::ValuesIn(kFlopCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(FlopNumbers, OfTheExpectedSizeTheLagrangianAndItsGradientsAreTheAuthors) {
  const std::vector<Tensor> own = logits();
  std::vector<double> sizes;
  std::vector<Tensor> open;
  for (int k = 0; k < 3; ++k) {
    sizes.push_back(static_cast<double>(kFlopInputs[k] + kFlopOutputs[k]));
    open.push_back(distribution_.open_probability(own[k]));
  }
  const Tensor size = expected_rank_parameters(sizes, open, 0);
  EXPECT_NEAR(size.item<double>(), GetParam().parameters, 1e-5);
  const Tensor sparsity = 1 - size / kFlopPrunable;
  EXPECT_NEAR(sparsity.item<double>(), GetParam().sparsity, 1e-11);
  const Lagrangian lagrangian;
  set_to(lagrangian.multipliers(), torch::tensor({0.3, 0.7}, at::kDouble));
  const Tensor penalty = lagrangian.penalty(sparsity, 0.8);
  EXPECT_NEAR(penalty.item<double>(), GetParam().lagrangian, 1e-11);
  penalty.backward();
  for (int k = 0; k < 3; ++k) {
    const Tensor grad = own[k].grad();
    const double sum = GetParam().grad_sum[k], middle = GetParam().grad_middle[k];
    EXPECT_NEAR(grad.sum().item<double>(), sum, 1e-9 * sum) << k;
    EXPECT_NEAR(grad[grad.numel() / 2].item<double>(), middle, 1e-9 * middle + 1e-16) << k;
  }
  const double gap = GetParam().sparsity - 0.8;
  EXPECT_NEAR(lagrangian.multipliers().grad()[0].item<double>(), gap, 1e-11);
  EXPECT_NEAR(lagrangian.multipliers().grad()[1].item<double>(), gap * gap, 1e-11);
}

TEST_P(FlopNumbers, OfTheMasksOfAnEvaluationAreTheAuthors) {
  const std::vector<Tensor> own = logits();
  int64_t left = 0;
  for (int k = 0; k < 3; ++k) {
    const Tensor gate = distribution_.deterministic(own[k]);
    const int64_t kept = gate.ne(0).sum().item<int64_t>();
    EXPECT_EQ(kept, GetParam().kept[k]) << k;
    EXPECT_NEAR(gate.sum().item<double>(), GetParam().mask_sum[k], 1e-8) << k;
    left += kept * (kFlopInputs[k] + kFlopOutputs[k]);
  }
  EXPECT_EQ(left, GetParam().left);
}

TEST_P(FlopNumbers, OfASampleFromGivenUniformsAreTheAuthors) {
  const std::vector<Tensor> own = logits();
  for (int k = 0; k < 3; ++k) {
    const int64_t n = own[k].numel();
    const Tensor places = at::arange(n, at::kLong);
    const Tensor uniform =
        ((places * 7919).remainder(n).to(at::kDouble) + 0.5) / static_cast<double>(n);
    const Tensor z = distribution_.sample(own[k], uniform);
    const FlopSample& expected = GetParam().sampled[k];
    EXPECT_NEAR(z.sum().item<double>(), expected.sum, 1e-8) << k;
    EXPECT_EQ(z.eq(0).sum().item<int64_t>(), expected.zeros) << k;
    EXPECT_EQ(z.eq(1).sum().item<int64_t>(), expected.ones) << k;
  }
}

// Theirs: 12 Linears of 16 -> 16, 3 of 16 -> 24 and 3 of 24 -> 16, log_alpha 3 sin(0.7 i) in each,
// give an expected size of 4184.019406740948 of 5232, and these masks.
constexpr double kTinyFactors = 4184.019406740948, kTinyBeside = 504, kTinyDense = 5880;
constexpr double kTinyMask[] = {0.5,
                                0.8243529872993911,
                                0.914125375147083,
                                0.8881222335875495,
                                0.6908233947849042,
                                0.30113903542402937,
                                0,
                                0,
                                0.1801930763901044};

TEST(FlopModelNumbers, CountWhatIsBesideTheFactorsToo) {
  PruningRun<Flop> run({.exact = false}, 0.8);
  Trainer trainer(run.model, run.training);
  for (const auto& [name, own] : run.pruner.log_alpha().all())
    set_to(own, testing::wave({own.size(0)}, 0.7, 0, 3));
  set_to(run.pruner.multipliers(), torch::tensor({0.3, 0.7}, at::kDouble));
  const Step last = {6, 6, {}};
  const double gap = 1 - (kTinyFactors + kTinyBeside) / kTinyDense - 0.8;
  EXPECT_NEAR(run.pruner.penalty(last).item<double>(), 0.3 * gap + 0.7 * gap * gap, 1e-6);
  const Gates gates = run.pruner.gates(last, Mode::kEval).front();
  ASSERT_EQ(gates.rank.size(), 18u);
  for (const auto& [name, gate] : gates.rank) {
    for (int64_t i = 0; i < gate.size(0); ++i)
      EXPECT_NEAR(gate[i].item<double>(), kTinyMask[i], 1e-6) << name << " " << i;
  }
}

}  // namespace
}  // namespace espalier
