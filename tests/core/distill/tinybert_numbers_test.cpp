// Numbers of the TinyBERT authors' own code (huawei-noah/Pretrained-Language-Model at 0598f02,
// TinyBERT/task_distill.py), run in float64.
//
// How they were made: the lines of its training loop that compute the intermediate stage's losses,
// on 2 student and 4 teacher layers, widths 16 and 24, 4 heads, 3 rows of 5 tokens; the states, the
// scores, and weight and bias of fit_dense (a linear layer on every student state) are the waves
// below. Printed were the loss and sketches of the gradients that backward() left. Then the same
// lines for one layer's scores, rows of 5, 3 and 4 tokens, with -10,000 added to the scores of keys
// that are padding; and soft_cross_entropy() of 4 rows and 3 classes.
//
// Where we differ: theirs are means over padding, too, in which the scores of padded keys count as
// equal and those of padded queries as they are; ours are means over what is no padding. And theirs
// takes any score of -100 or less for padding.
#include <gtest/gtest.h>

#include "core/distill/tinybert.h"
#include "tests/core/distill/lesson.h"
#include "tests/testing/wave.h"

namespace espalier {
namespace {

using testing::expect_sketch;
using testing::wave;

constexpr int64_t kTinyRows = 3, kTinyTokens = 5, kTinyHeads = 4;
constexpr double kTinySlack = 5e-5;  // ours is float32

Tensor leaf(const Tensor& value) { return value.to(at::kFloat).set_requires_grad(true); }

Trace waves_of(int layers, int64_t width, double states, double scores) {
  const auto state = [&](int i) {
    return leaf(wave({kTinyRows * kTinyTokens, width}, 0.37, states + i));
  };
  Trace trace;
  trace.embedding = state(0);
  for (int i = 0; i < layers; ++i) {
    trace.hidden.push_back(state(i + 1));
    trace.attention.push_back(
        leaf(wave({kTinyRows, kTinyHeads, kTinyTokens, kTinyTokens}, 0.53, scores + i, 3)));
  }
  return trace;
}

TEST(TinyBertNumbers, OfTheIntermediateStageAreTheAuthors) {
  TinyBert method{{.stage = "intermediate"}};
  testing::Lesson lesson(method, testing::shaped_model(2, 4, 1), testing::shaped_model(4, 6, 2));
  const std::vector<Tensor> projection = method.parameters().front().parameters;
  {
    torch::NoGradGuard no_grad;
    Tensor weight = projection[0], bias = projection[1];
    weight.copy_(wave({24, 16}, 0.29, 0.4, 0.2));
    bias.copy_(wave({24}, 0.61, 0.2, 0.1));
  }
  const Trace student = waves_of(2, 16, 0.1, 0.7);
  testing::OneTeacher teacher(waves_of(4, 24, 0.5, 0.3));
  Batch batch;
  batch.lengths.assign(kTinyRows, kTinyTokens);
  const Step step{0, 60, std::span<const Batch>(&batch, 1)};
  const Gates gates;
  const Tensor loss = method.loss({step, batch, gates, student, teacher});
  EXPECT_NEAR(loss.item<double>(), 4.984364557798 + 10.882389570804, 2e-5) << "states and scores";
  loss.backward();
  expect_sketch(projection[0].grad(), {9.064937361296e-02, -1.582881739507e-01, 2.221819620349e-01},
                kTinySlack);
  expect_sketch(projection[1].grad(), {6.646243614761e-02, -1.394693099168e-02, 5.793042294286e-02},
                kTinySlack);
  expect_sketch(student.embedding.grad(),
                {5.021384740469e-02, 2.318881309581e-03, 2.349280404682e-02}, kTinySlack);
  expect_sketch(student.hidden[0].grad(),
                {1.730933011914e-01, 1.543774879203e-02, 2.411307565192e-02}, kTinySlack);
  expect_sketch(student.hidden[1].grad(),
                {1.399971800022e-01, 6.102750521139e-03, 2.353092885388e-02}, kTinySlack);
  expect_sketch(student.attention[0].grad(),
                {4.587681663172e-03, -2.594864636925e-02, 1.182079468470e-02}, kTinySlack);
  expect_sketch(student.attention[1].grad(),
                {8.963162591559e-02, -1.217226320570e-02, 2.869405464959e-02}, kTinySlack);
}

TEST(TinyBertNumbers, OfPaddedScoresAreTheAuthorsWithoutThePadding) {
  const std::vector<int64_t> shape = {kTinyRows, kTinyHeads, kTinyTokens, kTinyTokens};
  const Tensor student = wave(shape, 0.53, 0.7, 3), teacher = wave(shape, 0.53, 1.3, 3);
  const Tensor lengths = torch::tensor({5, 3, 4}).unsqueeze(1);
  const Tensor real = at::arange(kTinyTokens).unsqueeze(0).lt(lengths);  // [B,T]
  const Tensor query = real.view({kTinyRows, 1, kTinyTokens, 1});
  const Tensor key = real.view({kTinyRows, 1, 1, kTinyTokens});
  const Tensor both = query.logical_and(key).to(at::kDouble);
  const Tensor padded_query = query.logical_not().logical_and(key).to(at::kDouble);
  constexpr int64_t kEntries = 25 + 9 + 16;
  constexpr double kAll = kTinyRows * kTinyTokens * kTinyTokens;
  const Tensor heads = at::arange(kTinyHeads, at::kLong);
  const double ours =
      score_distance(student * both, teacher * both, heads, heads, kEntries).item<double>();
  const double beside = ((student - teacher) * padded_query).square().sum().item<double>();
  const double theirs = ours * (kEntries / kAll);  // where padded queries score 0 on both sides
  EXPECT_NEAR(theirs, 1.023575360561, 1e-10);
  EXPECT_NEAR(theirs + beside / (kAll * kTinyHeads), 1.246207997879, 1e-10);
}

TEST(TinyBertNumbers, OfThePredictionStageAreTheAuthors) {
  const Tensor student = testing::trained_wave({4, 3}, 0.9, 0.2, 2);
  const Tensor loss = soft_cross_entropy(student, wave({4, 3}, 1.7, 0.6, 2));
  EXPECT_NEAR(loss.item<double>(), 0.539833522473, 1e-6) << "divided by the classes, as theirs";
  loss.backward();
  expect_sketch(student.grad(), {0, -1.229976543087e-01, 6.246187086277e-02}, kTinySlack);
}

}  // namespace
}  // namespace espalier
