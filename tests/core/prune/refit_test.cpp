#include "core/prune/refit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/guard.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

// In float64, where the layers' equations and LibTorch's can be compared.
struct Refitted {
  Model reference = testing::tiny_model();
  std::vector<Batch> batches;
  Model model;
  Gates gates;

  Refitted() {
    reference.for_each([](const std::string&, Tensor& t) { t = t.to(at::kDouble); });
    model = reference.clone();
    const Examples examples = testing::tiny_examples(96);
    for (int64_t from : {0, 48}) {
      std::vector<int64_t> rows;
      for (int64_t i = 0; i < 48; ++i) rows.push_back(from + i);
      batches.push_back(make_batch(examples, rows));
    }
    gates.head = at::ones({3, 4}, at::kDouble);
    gates.neuron = at::ones({3, 24}, at::kDouble);
  }
  void close_half() {
    gates.head.narrow(1, 1, 2).zero_();
    gates.neuron.narrow(1, 12, 12).zero_();
  }
  // Mean squared distance of the two models' answers.
  double distance() {
    torch::NoGradGuard no_grad;
    Gates sealed = gates;
    sealed.seal(model.config);
    TrainBackend own(model), other(reference);
    double sum = 0;
    for (const Batch& batch : batches) {
      const Tensor gap = walk(own, batch, sealed).logits - walk(other, batch).logits;
      sum += gap.square().mean().item<double>();
    }
    return sum;
  }
  // What layer 0's attention output multiplies, [N,16].
  Tensor first_inputs(const Model& of, Gates with) {
    torch::NoGradGuard no_grad;
    with.seal(of.config);
    std::vector<Tensor> seen;
    TrainBackend backend(of);
    backend.watch([&](int layer, bool ffn, const Tensor& inputs) {
      if (layer == 0 && !ffn) seen.push_back(inputs);
    });
    for (const Batch& batch : batches) walk(backend, batch, with);
    return at::cat(seen);
  }
};

TEST(Refit, EqualsLibTorchsLeastSquares) {
  Refitted of;
  of.close_half();
  const Linear& dense = of.reference.layers[0].output;
  const Tensor wanted = dense.forward(of.first_inputs(of.reference, {}));
  const Tensor kept = torch::tensor(std::vector<int64_t>{0, 1, 2, 3, 12, 13, 14, 15});
  const Tensor inputs = of.first_inputs(of.model, of.gates).index_select(1, kept);
  const Tensor with_one = at::cat({inputs, at::ones({inputs.size(0), 1}, at::kDouble)}, 1);
  const Tensor expected = std::get<0>(at::linalg_lstsq(with_one, wanted));  // [9,16]
  refit_outputs(of.model, of.gates, of.reference, of.batches, 1e-12);
  const Linear& solved = of.model.layers[0].output;
  EXPECT_LE(testing::max_gap(solved.weight.index_select(1, kept), expected.narrow(0, 0, 8).t()),
            1e-6);
  EXPECT_LE(testing::max_gap(solved.bias, expected[8]), 1e-6);
}

TEST(Refit, BringsTheAnswersBack) {
  Refitted of;
  of.close_half();
  const double before = of.distance();
  refit_outputs(of.model, of.gates, of.reference, of.batches);
  EXPECT_LT(of.distance(), 0.5 * before);
}

TEST(Refit, MakesUpForASublayerThatIsGone) {
  Refitted of;
  of.gates.neuron[0].zero_();
  const double before = of.distance();
  refit_outputs(of.model, of.gates, of.reference, of.batches);
  EXPECT_LT(of.distance(), 0.5 * before);
}

TEST(Refit, ChangesNothingWhereNothingIsGone) {
  Refitted of;
  refit_outputs(of.model, of.gates, of.reference, of.batches);
  for (int i = 0; i < 3; ++i) {
    const Layer &now = of.model.layers[i], &then = of.reference.layers[i];
    EXPECT_LE(testing::max_gap(now.output.weight, then.output.weight), 1e-9);
    EXPECT_LE(testing::max_gap(now.down.weight, then.down.weight), 1e-9);
    EXPECT_LE(testing::max_gap(now.down.bias, then.down.bias), 1e-9);
  }
}

TEST(Refit, DampedWithoutEndChangesNoWeight) {
  Refitted of;
  of.close_half();
  refit_outputs(of.model, of.gates, of.reference, of.batches, 1e12);
  EXPECT_LE(testing::max_gap(of.model.layers[1].down.weight, of.reference.layers[1].down.weight),
            1e-6);
}

TEST(Refit, TakesSoftGatesAndHiddenOnes) {
  Refitted of;
  of.gates = testing::random_gates(of.model.config, 5).map([](const Tensor& t) {
    return t.to(at::kDouble);
  });
  of.gates.weight.clear();
  refit_outputs(of.model, of.gates, of.reference, of.batches);
  Gates sealed = of.gates;
  sealed.seal(of.model.config);
  const Tensor closed = of.gates.hidden.eq(0);
  for (int i = 0; i < 3; ++i) {
    const Tensor now = of.model.layers[i].down.weight, then = of.reference.layers[i].down.weight;
    EXPECT_TRUE(now.isfinite().all().item<bool>());
    EXPECT_EQ(testing::max_gap(now, then) > 0, sealed.ffn_on[i]);
    const Tensor gap = (now - then).abs();
    EXPECT_EQ(gap.index({closed}).sum().item<double>(), 0) << "rows that nobody reads";
    EXPECT_EQ(gap.t().index({of.gates.neuron[i].eq(0)}).sum().item<double>(), 0);
  }
}

std::string refusal(Refitted& of) {
  try {
    refit_outputs(of.model, of.gates, of.reference, of.batches);
  } catch (const StatusError& error) {
    EXPECT_TRUE(absl::IsInvalidArgument(error.status()));
    return std::string(error.status().message());
  }
  return "";
}

TEST(Refit, RefusesMaskedWeightsAndReferencesOfAnotherShape) {
  Refitted masked;
  masked.gates.weight["layers.1.ffn.down"] = at::ones({16, 24}, at::kDouble);
  EXPECT_THAT(refusal(masked), HasSubstr("layers.1.ffn.down that are masked"));
  Refitted shorter;
  shorter.reference.layers.pop_back();
  shorter.reference.config.layers.pop_back();
  EXPECT_THAT(refusal(shorter), HasSubstr("a reference of 2 and 16"));
  Refitted thinner;
  thinner.reference.layers[2].up = thinner.reference.layers[2].down = Linear();
  thinner.reference.config.layers[2].neurons = 0;
  EXPECT_THAT(refusal(thinner), HasSubstr("needs a reference that has layers.2.ffn.down"));
}

}  // namespace
}  // namespace espalier
