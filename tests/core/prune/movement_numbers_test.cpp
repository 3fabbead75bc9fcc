// Numbers of the movement pruning authors' own code (huggingface/transformers-research-projects at
// fccd0cd, movement-pruning), run in float64.
//
// How they were made: MaskedLinear of 12 inputs and 8 outputs in its methods topK,
// sigmoied_threshold and magnitude, on 5 rows, with the waves below as weight, bias, scores and
// input; printed were the binarizer's mask, the output, and sketches of the gradients of scores and
// weight that backward() of sum(slope y^2) / 2 left. Besides, on their own: ThresholdBinarizer on
// scores far below; regularization() in mode l1 with its gradient; schedule_threshold() of 1,000
// steps with a warm-up of 100, initial_warmup 1 and final_warmup 2; and the threshold of all scores
// together (the lines under global_topk), applied by ThresholdBinarizer.
#include <gtest/gtest.h>

#include "core/method/schedule.h"
#include "core/prune/movement.h"
#include "tests/testing/wave.h"

namespace espalier {
namespace {

using testing::bits;
using testing::expect_sketch;
using testing::Sketch;
using testing::trained_wave;
using testing::wave;

constexpr double kMovementSlack = 1e-9;

enum class MovementRule { kTop, kThreshold, kMagnitude };

struct MovementCase {
  const char* name;
  MovementRule rule;
  double at;  // a share or a threshold
  const char* mask;
  Sketch output, score_grad, weight_grad;
};

const MovementCase kMovementCases[] = {
    {"top_third",
     MovementRule::kTop,
     0.3,
     "011000001100000110000011000001100000110000011000001100000110000011000001100000110000011000001"
     "100",
     {1.570171606839e+00, -7.569360100605e+00, 2.703825184838e+00},
     {5.121571541543e-01, 1.826353139226e-01, 2.107109426634e+00},
     {-2.923479406263e+00, -1.143476953382e+00, 2.128984246033e+00}},
    {"top_two_thirds",
     MovementRule::kTop,
     0.67,
     "111100011110001111000111100011110001111001111100111110011111001111100111110011111001111100111"
     "110",
     {1.092107871489e+01, -4.890057254548e+00, 2.352280994444e+00},
     {9.996280064713e-01, 4.840795645049e-01, 1.584610193823e+00},
     {-8.758632994703e-02, 2.043753149280e+00, 1.656029088575e+00}},
    {"above_a_tenth",
     MovementRule::kThreshold,
     0.1,
     "111100011110011111001111100111110011111001111100111110011111001111100111110011111001111100111"
     "110",
     {1.089901840521e+01, -8.983846434415e+00, 2.479982401150e+00},
     {1.506578233140e+00, -8.546731350614e-02, 1.880556683939e+00},
     {-4.427660684386e+00, 1.360137846333e+00, 1.952335590665e+00}},
    {"above_a_half",
     MovementRule::kThreshold,
     0.5,
     "111100011110001111000111100011110001111000111100011110001111000111000011100001110000111000011"
     "100",
     {7.659533954110e+00, -1.359060881270e+01, 2.278045496070e+00},
     {1.266494571006e+00, 3.275880143329e-01, 1.584610193823e+00},
     {1.653781344329e+00, 2.768118145887e+00, 1.656029088575e+00}},
    {"magnitude",
     MovementRule::kMagnitude,
     0.3,
     "010000101001010000100001010010100001010010100001000010100001000010100101000010000101000010000"
     "101",
     {7.413041437654e+00, -1.324748335165e+00, 2.092306084356e+00},
     {},
     {-2.490804666048e+00, -1.277071213757e+00, 1.686160928362e+00}},
};

Tensor movement_mask(const MovementCase& by, const Tensor& scores, const Tensor& weight) {
  const auto count = static_cast<int64_t>(by.at * static_cast<double>(scores.numel()));
  switch (by.rule) {
    case MovementRule::kTop:
      return top_mask(scores, count);
    case MovementRule::kThreshold:
      return threshold_mask(scores, by.at, 0.005);
    case MovementRule::kMagnitude:
      return top_mask(weight.abs(), count);
  }
  return {};
}

class MovementNumbers : public ::testing::TestWithParam<MovementCase> {};
INSTANTIATE_TEST_SUITE_P(Authors, MovementNumbers, ::testing::ValuesIn(kMovementCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(MovementNumbers, OfTheMaskTheOutputAndTheGradientsAreTheAuthors) {
  const Tensor scores = trained_wave({8, 12}, 0.9, 0.3, 4);
  Linear linear;
  linear.weight = trained_wave({8, 12}, 1.3, 0.2);
  linear.bias = wave({8}, 0.5, 1);
  const Tensor mask = movement_mask(GetParam(), scores, linear.weight);
  EXPECT_EQ(bits(mask), GetParam().mask);
  const bool scored = GetParam().rule != MovementRule::kMagnitude;
  const Tensor output =
      linear.forward(wave({5, 12}, 0.7, 0.1), scored ? straight_through(mask, scores) : mask);
  expect_sketch(output, GetParam().output, kMovementSlack);
  ((output.square() * wave({5, 8}, 0.4, 0.5)).sum() / 2).backward();
  if (scored) expect_sketch(scores.grad(), GetParam().score_grad, kMovementSlack);
  expect_sketch(linear.weight.grad(), GetParam().weight_grad, kMovementSlack);
}

TEST(MovementThreshold, LeavesAsManyOfLowScoresAsTheAuthors) {
  const auto left = [](const std::vector<int64_t>& shape) {
    const Tensor mask = threshold_mask(wave(shape, 0.9, 0.3) - 6, 0.1, 0.005);
    const Tensor places = mask.flatten().nonzero().flatten();
    return std::vector<int64_t>(places.data_ptr<int64_t>(),
                                places.data_ptr<int64_t>() + places.numel());
  };
  EXPECT_EQ(left({20, 30}), (std::vector<int64_t>{155, 162, 525, 532}));
  EXPECT_EQ(left({20, 20}), (std::vector<int64_t>{148, 155, 162}));
  EXPECT_EQ(left({8, 12}), (std::vector<int64_t>{92}));
}

TEST(MovementPenalty, AndItsGradientsAreTheAuthors) {
  const Tensor one = trained_wave({8, 12}, 0.9, 0.3, 4), other = trained_wave({3, 7}, 0.6, 0.9, 2);
  const Tensor penalty = mean_sigmoid({one, other});
  EXPECT_NEAR(penalty.item<double>(), 0.504907331468, 1e-11);
  penalty.backward();
  expect_sketch(one.grad(), {4.488219300299e-02, 8.365858951483e-04, 1.301822657917e-03},
                kMovementSlack);
  expect_sketch(other.grad(), {8.365662190573e-02, 7.627041772270e-05, 5.950698488239e-03},
                kMovementSlack);
}

TEST(MovementRamp, OfThresholdPenaltyAndShareIsTheAuthors) {
  struct Row {
    int64_t step;
    double threshold, penalty, share;  // to 0.1, to 400, and from 1 to 0.15
  };
  const Row rows[] = {{0, 0, 0, 1},
                      {100, 0, 0, 1},
                      {101, 0.000427959475, 1.7118379009, 0.996362344461},
                      {250, 0.051494169096, 205.9766763848, 0.562299562682},
                      {500, 0.092128279883, 368.5131195335, 0.216909620991},
                      {799, 0.099999999708, 399.9999988338, 0.150000002478},
                      {800, 0.1, 400, 0.15},
                      {801, 0.1, 400, 0.15},
                      {999, 0.1, 400, 0.15}};
  const auto ramp = [](int64_t step, double target) {
    return cubic_sparsity(step, 1000, 0.1, 0.8, target);
  };
  for (const Row& row : rows) {
    EXPECT_NEAR(ramp(row.step, 0.1), row.threshold, 1e-11) << row.step;
    EXPECT_NEAR(ramp(row.step, 400), row.penalty, 1e-8) << row.step;
    EXPECT_NEAR(1 - ramp(row.step, 0.85), row.share, 1e-11) << row.step;
  }
}

// Theirs at the 250th step of that schedule: the masks of the two tensors of scores above under the
// threshold 0.0515, and what regularization() adds to the loss.
TEST(MovementPruner, MasksAndPenalisesInMidRampAsTheAuthors) {
  Movement pruner({.mode = "soft"});
  State state;
  state.tensors["score.a"] = wave({8, 12}, 0.9, 0.3, 4);
  state.tensors["score.b"] = wave({3, 7}, 0.6, 0.9, 2);
  state.json["reached"] = 0;
  pruner.load(state);
  const Step step = {250, 1000, {}};
  const Gates gates = pruner.gates(step, Mode::kTrain).front();
  EXPECT_EQ(bits(gates.weight.at("a")),
            "11111011111101111110111111011111001111100111110011111001111100111110"
            "0111110011111001111100111110");
  EXPECT_EQ(bits(gates.weight.at("b")), "111111111111111111111");
  EXPECT_NEAR(pruner.penalty(step).item<double>(), 103.9991340182, 1e-8);
}

// Of 117 scores theirs keeps int(117 v) + 1, one more than in a single matrix; ours int(117 v). The
// masks are those of that many.
TEST(MovementGlobal, MasksOfAllScoresTogetherAreTheAuthors) {
  const std::vector<Tensor> scores = {wave({8, 12}, 0.9, 0.3, 4), wave({3, 7}, 0.6, 0.9, 5)};
  const std::vector<Tensor> few = top_masks(scores, 29 + 1), many = top_masks(scores, 70 + 1);
  EXPECT_EQ(bits(few[0]),
            "01100000110000011000001100000110000011000001100000110000011000001100"
            "0001000000100000010000001000");
  EXPECT_EQ(bits(few[1]), "111000000001110000000");
  EXPECT_EQ(bits(many[0]),
            "11110001111000111100011110001111000111100011110001111000111100011110"
            "0011110001111001111100111110");
  EXPECT_EQ(bits(many[1]), "111110000111111000011");
}

}  // namespace
}  // namespace espalier
