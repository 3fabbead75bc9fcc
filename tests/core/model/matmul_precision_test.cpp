#include "core/model/matmul_precision.h"

#include <gtest/gtest.h>

#include "core/model/attention.h"
#include "core/model/linear.h"
#include "tests/core/model/gradients.h"

namespace espalier {
namespace {

using testing::Walked;

Tensor parameter(double value) {
  return at::full({1, 1}, value, at::kFloat).set_requires_grad(true);
}

TEST(MatmulPrecision, Fp32MultipliesWhatComes) {
  const MatmulPrecision fp32;
  Tensor w = parameter(1);
  EXPECT_TRUE(fp32.operand(w).is_same(w));
  EXPECT_TRUE(fp32.weight(w).is_same(w));
}

TEST(MatmulPrecision, Int8IsRefusedAndNotTakenForFp32) {
  EXPECT_THROW(MatmulPrecision(Precision::kInt8), c10::Error);
}

TEST(MatmulPrecision, Bf16RoundsOperandsAndGivesBackTheFormatThatCame) {
  // Neighbours of 1 in bf16 are 1 - 1/256 and 1 + 1/128.
  Linear linear{parameter(1 + 1.0 / 512), at::zeros({1})};
  Tensor x = at::full({1, 1}, 3 + 1.0 / 512, at::kFloat);
  Tensor y = linear.forward(x, {}, {}, MatmulPrecision(Precision::kBf16));
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_EQ(y.item<float>(), 3);
  y.backward();
  EXPECT_EQ(linear.weight.grad().scalar_type(), at::kFloat);
  EXPECT_EQ(linear.weight.grad().item<float>(), 3);
}

TEST(MatmulPrecision, CastsAParameterOnceUntilItMoves) {
  MatmulPrecision bf16(Precision::kBf16);
  Tensor w = parameter(1), first;
  {
    torch::NoGradGuard no_grad;  // the cast is recorded all the same
    first = bf16.weight(w);
    EXPECT_TRUE(bf16.weight(w).is_same(first));
    w.fill_(2);
  }
  bf16.forget_weights();
  Tensor second = bf16.weight(w);
  EXPECT_EQ(second.item<float>(), 2);
  for (int micro_batch = 0; micro_batch < 2; ++micro_batch) bf16.weight(w).sum().backward();
  EXPECT_EQ(w.grad().item<float>(), 2);
}

TEST(MatmulPrecision, CastsAFrozenParameterOnceIfItKnowsOfIt) {
  MatmulPrecision bf16(Precision::kBf16);
  Tensor w = at::ones({2, 2});
  bf16.know(w);
  const Tensor first = bf16.weight(w);
  EXPECT_TRUE(bf16.weight(w).is_same(first));
  EXPECT_FALSE(bf16.weight(w * 2).is_same(bf16.weight(w * 2)));
  w.set_requires_grad(true);  // the cast without gradients would lose them
  bf16.weight(w).sum().backward();
  EXPECT_TRUE(w.grad().defined());
}

TEST(MatmulPrecision, WhatIsNotTrainedIsNotKept) {
  const MatmulPrecision bf16(Precision::kBf16);
  Tensor frozen = at::ones({2, 2}), masked = parameter(1) * frozen;
  EXPECT_FALSE(bf16.weight(frozen).is_same(bf16.weight(frozen)));
  EXPECT_FALSE(bf16.weight(masked).is_same(bf16.weight(masked)));
  EXPECT_FALSE(bf16.weight({}).defined());
}

// A model whose softmaxes are not saturated, as trained ones are not: rounding the scores of the
// tiny model, which reach 10, would be most of the difference.
Model calm_model() {
  Model model = testing::tiny_model();
  model.for_each([](const std::string& name, Tensor& tensor) {
    if (name.starts_with("layers.") && name.find("norm") == std::string::npos) tensor.mul_(0.3);
  });
  return model;
}

// Every parameter's gradient in bf16 is within 2 % of that in fp32, as lengths; below a hundredth
// of the whole gradient a length counts as that (a key's bias has none but rounding).
void expect_near(const Walked& how, const Gates& gates = {}) {
  Model model = calm_model();
  Walked half = how;
  half.precision = Precision::kBf16;
  auto exact = testing::gradients(model, how, gates), near = testing::gradients(model, half, gates);
  ASSERT_EQ(exact.size(), near.size());
  double all = 0, off = 0;
  for (const auto& [name, grad] : exact) {
    all += grad.square().sum().item<double>();
    off += (near.at(name) - grad).square().sum().item<double>();
  }
  EXPECT_LE(std::sqrt(off / all), 2e-2);
  EXPECT_GT(std::sqrt(off / all), 1e-5) << "nothing was computed in bf16";
  for (const auto& [name, grad] : exact) {
    const double length = std::max(grad.norm().item<double>(), 1e-2 * std::sqrt(all));
    EXPECT_LE((near.at(name) - grad).norm().item<double>(), 2e-2 * length) << name;
    EXPECT_EQ(near.at(name).scalar_type(), at::kFloat);
  }
}

TEST(MatmulPrecision, GradientsInBf16AreNear) { expect_near({}); }

TEST(MatmulPrecision, GradientsInBf16AreNearWhereMapsAreRecorded) {
  Walked how;
  how.record.attention = RecordAttention::kProbabilities;
  expect_near(how);
}

// What our kernel computes in fp32 stays so when maps are recorded and others compute it.
TEST(MatmulPrecision, IsThatOfTheKernelWhereMapsAreRecorded) {
  auto generator = at::detail::createCPUGenerator(5);
  const Tensor qkv = at::empty({5, 24}).normal_(0, 1, generator);
  const TokenRows rows({3, 2}, torch::kCPU);
  AttentionMaps maps{RecordAttention::kProbabilities, {}}, exact_maps = maps;
  const MatmulPrecision bf16(Precision::kBf16);
  const Tensor exact = attend_rows(qkv, rows, 2, {}, 0, &exact_maps);
  EXPECT_TRUE(at::equal(attend_rows(qkv, rows, 2, {}, 0, &maps, bf16), exact));
  EXPECT_TRUE(at::equal(maps.values, exact_maps.values));
  const Tensor without = attend_rows(qkv, rows, 2, {}, 0, nullptr, bf16);
  EXPECT_LE(testing::max_gap(without, exact), 1e-5);
}

TEST(MatmulPrecision, GradientsInBf16AreNearWithGates) {
  const Model model = calm_model();
  Gates gates = testing::random_gates(model.config, 3, false);
  // Soft, none closed: what a closed unit gets is all rounding.
  expect_near({}, gates.map([](const Tensor& t) { return t.clamp_min(0.5); }));
}

}  // namespace
}  // namespace espalier
