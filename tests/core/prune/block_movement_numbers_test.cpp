// Numbers of the block movement pruning authors' own code (huggingface/nn_pruning at 0cef2b2), run
// in float64.
//
// How they were made: MaskedLinear of nn_pruning/modules/masked_nn.py by sigmoied_threshold with
// min_elements 0.005, of 12 inputs and 8 outputs on 5 rows, with one
// BlockLinearPruningContextModule (weight, bias, scores and input: the waves below); printed were
// MaskModule's mask, the output, sketches of the gradients of scores and weight that backward() of
// sum(slope y^2) / 2 left, and the context's regularization("l1"), which patch_coordinator.py
// averages over the modules of a group. Of neurons: two of them, 10 -> 9 and 9 -> 7 without bias,
// around a ReLU, by the submethod 1d_alt with one SingleDimensionLinearPruningContextModule for the
// rows of the first and the columns of the second.
//
// Where we differ: a neuron's gate is on its activation, see block_movement.h.
#include <gtest/gtest.h>

#include <cmath>

#include "core/prune/block_movement.h"
#include "tests/testing/wave.h"

namespace espalier {
namespace {

using testing::bits;
using testing::expect_sketch;
using testing::Sketch;
using testing::trained_wave;
using testing::wave;

constexpr double kBlockSlack = 1e-9;

struct BlockCase {
  BlockSize size;
  double threshold;
  const char* mask;
  Sketch output, score_grad, weight_grad;
  double penalty;
};

const BlockCase kBlockCases[] = {
    {{4, 3},
     0.5,
     "111111111111111111111111111111111111111111111111000000000111000000000111000000000111000000000"
     "111",
     {7.441742887252e+00, -2.389751430276e+00, 1.988689218336e+00},
     {1.406787979869e+00, 3.019053090735e+00, 2.522146897076e+00},
     {-9.347382711740e+00, -4.057090248746e+00, 1.469154768152e+00},
     0.537884828465},
    {{2, 4},
     0.1,
     "111111111111111111111111111100000000111100000000000011111111000011111111111111110000111111110"
     "000",
     {7.165070683379e+00, 2.746843675404e+00, 2.296101472307e+00},
     {1.641438766840e+00, -1.006371772326e+00, 2.082533277371e+00},
     {-8.530751391236e+00, -2.598371892498e+00, 1.588332187297e+00},
     0.577309854054},
};

TEST(BlockMovementNumbers, OfTheMaskTheOutputAndTheGradientsAreTheAuthors) {
  for (const BlockCase& expected : kBlockCases) {
    SCOPED_TRACE(expected.threshold);
    const BlockSize& size = expected.size;
    const Tensor scores = trained_wave({8 / size.rows, 12 / size.cols}, 0.9, 0.3, 4);
    Linear linear;
    linear.weight = trained_wave({8, 12}, 1.3, 0.2);
    linear.bias = wave({8}, 0.5, 1);
    const Tensor open = threshold_mask(scores, expected.threshold, 0.005);
    EXPECT_EQ(bits(expand_blocks(open, size)), expected.mask);
    const Tensor gate = expand_blocks(straight_through(open, scores), size);
    const Tensor output = linear.forward(wave({5, 12}, 0.7, 0.1), gate);
    expect_sketch(output, expected.output, kBlockSlack);
    ((output.square() * wave({5, 8}, 0.4, 0.5)).sum() / 2).backward();
    expect_sketch(scores.grad(), expected.score_grad, kBlockSlack);
    expect_sketch(linear.weight.grad(), expected.weight_grad, kBlockSlack);
    EXPECT_NEAR(mean_sigmoid({scores}).item<double>(), expected.penalty, 1e-11);
  }
}

// The fifth to seventh are closed. Theirs have no gradient: neither matrix sees anything of a
// neuron that both have closed. Ours have it, straight through, as single weights do.
TEST(BlockMovementNumbers, OfTheScoresOfOpenNeuronsAreHalfTheAuthors) {
  const double theirs[] = {
      -5.776867664584e-01, -1.050703081326e-01, 3.675376183507e-01, 2.730403685783e-01, 0, 0, 0,
      6.784285111454e-01,  9.843412069956e-01};
  const Tensor scores = trained_wave({9}, 0.9, 0.3, 4);
  const Tensor open = threshold_mask(scores, 0.5, 0.005);
  EXPECT_EQ(bits(open), "111100011");
  const Tensor inner = at::relu(at::linear(wave({5, 10}, 0.7, 0.1), wave({9, 10}, 1.3, 0.2)));
  const Tensor output = at::linear(inner * straight_through(open, scores), wave({7, 9}, 1.1, 0.4));
  expect_sketch(output, {1.039439835915e-01, 6.017158845714e-01, 9.243895005843e-01}, kBlockSlack);
  ((output.square() * wave({5, 7}, 0.4, 0.5)).sum() / 2).backward();
  for (int i = 0; i < 9; ++i) {
    const double ours = scores.grad()[i].item<double>();
    if (theirs[i] == 0) {
      EXPECT_GT(std::abs(ours), 0.05) << i;
    } else {
      EXPECT_NEAR(2 * ours, theirs[i], kBlockSlack) << i;
    }
  }
}

}  // namespace
}  // namespace espalier
