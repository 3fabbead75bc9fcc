// The updates by hand or by torch.optim, and what the optimisers share.
#include "core/train/optimiser.h"

#include <gtest/gtest.h>

#include "core/train/adamax.h"
#include "core/train/adamw.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using testing::max_gap;

TEST(AdamW, FirstStepByHand) {
  // m = 0.1 g, v = 0.001 g^2, both corrected to g and g^2: the step is lr * sign(g), after the
  // decay.
  Tensor p = torch::tensor({1.0f, -2.0f}).set_requires_grad(true);
  AdamW optimiser({{{"p"}, {p}, 0.1, 0.5}});
  p.mutable_grad() = torch::tensor({3.0f, -0.2f});
  optimiser.step(1);
  EXPECT_LE(max_gap(p.detach(), torch::tensor({1 - 0.05f - 0.1f, -2 + 0.1f + 0.1f})), 1e-6);
}

TEST(AdamW, ClipsOverAllGroupsTogether) {
  Tensor a = at::zeros({1}).set_requires_grad(true), b = at::zeros({1}).set_requires_grad(true);
  AdamW optimiser({{{"a"}, {a}}, {{"b"}, {b}}});
  a.mutable_grad() = at::full({1}, 3.0f);
  b.mutable_grad() = at::full({1}, 4.0f);
  EXPECT_NEAR(optimiser.clip(1).item<double>(), 5, 1e-5);
  optimiser.step(1);
  State state;  // the first step's means are a tenth of what the gradients were
  optimiser.save(state);
  EXPECT_NEAR(state.tensors.at("adamw.mean.a").item<double>(), 0.06, 1e-5);
  EXPECT_NEAR(state.tensors.at("adamw.mean.b").item<double>(), 0.08, 1e-5);
}

TEST(AdamW, AscendFlipsTheGradient) {
  Tensor p = at::zeros({1}).set_requires_grad(true);
  OptimiserGroup group{{"p"}, {p}, 0.1, 0};
  group.ascend = true;
  AdamW optimiser({group});
  p.mutable_grad() = at::ones({1});
  optimiser.clip(0);
  optimiser.step(1);
  EXPECT_GT(p.item<double>(), 0);
}

TEST(AdamW, TakesItsBetas) {
  // m = 0.5 g and v = 0.25 g^2, corrected to g and g^2; eps 1 makes of g = 1 half a step.
  Tensor p = at::zeros({1}).set_requires_grad(true);
  TrainingSpec spec;
  spec.beta1 = 0.5;
  spec.beta2 = 0.75;
  spec.eps = 1;
  auto optimiser = make_optimiser(spec, {{{"p"}, {p}, 0.1, 0}});
  p.mutable_grad() = at::ones({1});
  optimiser->step(1);
  EXPECT_NEAR(p.item<double>(), -0.05, 1e-7);
  State state;
  optimiser->save(state);
  EXPECT_NEAR(state.tensors.at("adamw.mean.p").item<double>(), 0.5, 1e-7);
  EXPECT_NEAR(state.tensors.at("adamw.square.p").item<double>(), 0.25, 1e-7);
}

TEST(Adamax, FollowsTorch) {
  // torch.optim.Adamax([p], lr=0.1) of torch 2.13 on these gradients, in float64.
  Tensor p = torch::tensor({1.0, -2.0}, at::kDouble).set_requires_grad(true);
  Adamax optimiser({{{"p"}, {p}, 0.1, 0}});
  const double grads[3][2] = {{3, -0.2}, {-1, 0.1}, {0.5, 0.4}};
  const double expected[3][2] = {{0.9000000003333333, -1.9000000049999997},
                                 {0.8701455846135199, -1.8789263007694532},
                                 {0.8451263214972844, -1.9091846025960215}};
  for (int step = 0; step < 3; ++step) {
    p.mutable_grad() = torch::tensor({grads[step][0], grads[step][1]}, at::kDouble);
    optimiser.step(1);
    EXPECT_NEAR(p[0].item<double>(), expected[step][0], 1e-14);
    EXPECT_NEAR(p[1].item<double>(), expected[step][1], 1e-14);
  }
}

TEST(Adamax, DecaysApartFromTheGradient) {
  // The decay takes lr * wd * p, the first step lr * sign(g).
  Tensor p = torch::tensor({1.0f, -2.0f}).set_requires_grad(true);
  Adamax optimiser({{{"p"}, {p}, 0.1, 0.5}});
  p.mutable_grad() = torch::tensor({3.0f, -0.2f});
  optimiser.step(1);
  EXPECT_LE(max_gap(p.detach(), torch::tensor({1 - 0.05f - 0.1f, -2 + 0.1f + 0.1f})), 1e-6);
}

TEST(Adamax, ClipsWhatItReads) {
  Tensor a = at::zeros({1}).set_requires_grad(true), b = at::zeros({1}).set_requires_grad(true);
  Adamax optimiser({{{"a"}, {a}}, {{"b"}, {b}}});
  a.mutable_grad() = at::full({1}, 3.0f);
  b.mutable_grad() = at::full({1}, 4.0f);
  optimiser.clip(1);
  optimiser.step(1);
  State state;
  optimiser.save(state);
  EXPECT_NEAR(state.tensors.at("adamax.largest.a").item<double>(), 0.6, 1e-6);
  EXPECT_NEAR(state.tensors.at("adamax.mean.b").item<double>(), 0.08, 1e-6);
}

TEST(Optimiser, GoesOnFromItsState) {
  for (OptimiserKind kind : {OptimiserKind::kAdamW, OptimiserKind::kAdamax}) {
    TrainingSpec spec;
    spec.optimiser = kind;
    Tensor p = torch::tensor({1.0f, -2.0f}).set_requires_grad(true), kept;
    auto step = [&](Optimiser& optimiser, Tensor& at, float slope) {
      at.mutable_grad() = at.detach() * slope;
      optimiser.clip(1);
      optimiser.step(0.5);
    };
    auto whole = make_optimiser(spec, {{{"p"}, {p}, 0.1, 0.01}});
    step(*whole, p, 3);
    State state;
    whole->save(state);
    for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
    kept = p.detach().clone().set_requires_grad(true);
    step(*whole, p, -1);
    auto resumed = make_optimiser(spec, {{{"p"}, {kept}, 0.1, 0.01}});
    resumed->load(state);
    step(*resumed, kept, -1);
    EXPECT_EQ(max_gap(p.detach(), kept.detach()), 0);
  }
}

// Rows, each several times, of a batch; values as an embedding's backward pass leaves them.
Tensor row_gradient(const Tensor& p, std::vector<int64_t> rows) {
  const Tensor index = torch::tensor(rows).unsqueeze(0);
  return at::sparse_coo_tensor(index, at::randn({index.size(1), p.size(1)}, p.options()),
                               p.sizes());
}

// Steps over rows that come and go, with decay and clipping, and a resume between them: what the
// same gradients do when they are dense. 37 columns are no whole vectors.
TEST(Optimiser, MovesRowsAsTheDenseMatrix) {
  at::manual_seed(5);
  for (OptimiserKind kind : {OptimiserKind::kAdamW, OptimiserKind::kAdamax}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      TrainingSpec spec;
      spec.optimiser = kind;
      const Tensor start = at::randn({600, 37}, type);
      Tensor a = start.clone().set_requires_grad(true), b = start.clone().set_requires_grad(true);
      auto sparse = make_optimiser(spec, {{{"p"}, {a}, 0.1, 0.01}});
      auto dense = make_optimiser(spec, {{{"p"}, {b}, 0.1, 0.01}});
      for (int step = 0; step < 6; ++step) {
        if (step == 3) {
          State state;
          sparse->save(state);
          auto resumed = make_optimiser(spec, {{{"p"}, {a}, 0.1, 0.01}});
          resumed->load(state);
          sparse = std::move(resumed);
        }
        const Tensor grad = row_gradient(start, {7, 599, 7, 100 + step, 0});
        a.mutable_grad() = step == 1 ? grad.to_dense() : grad;  // one in between may have all rows
        b.mutable_grad() = grad.to_dense();
        const double norm = dense->clip(0.5).item<double>();
        EXPECT_NEAR(sparse->clip(0.5).item<double>(), norm, 1e-5 * norm);
        sparse->step(1);
        dense->step(1);
        EXPECT_LE(max_gap(a.detach(), b.detach()), 2e-6) << "step " << step;
      }
      EXPECT_GT(max_gap(a.detach(), start), 0.1);
    }
  }
}

TEST(Optimiser, LeavesWhatHasNoGradient) {
  for (OptimiserKind kind : {OptimiserKind::kAdamW, OptimiserKind::kAdamax}) {
    TrainingSpec spec;
    spec.optimiser = kind;
    Tensor a = at::ones({1}).set_requires_grad(true), b = at::ones({1}).set_requires_grad(true);
    auto optimiser = make_optimiser(spec, {{{"a", "b"}, {a, b}, 0.1, 0.5}});
    a.mutable_grad() = at::ones({1});
    optimiser->step(1);
    EXPECT_LT(a.item<double>(), 1);
    EXPECT_EQ(b.item<double>(), 1);
  }
}

}  // namespace
}  // namespace espalier
