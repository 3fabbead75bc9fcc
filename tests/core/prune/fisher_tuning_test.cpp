#include "core/prune/fisher_tuning.h"

#include <gtest/gtest.h>

#include "core/model/train_backend.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using testing::max_gap;

// Rows of a product whose units stand side by side, and what it was to be.
struct LeastSquares {
  Tensor weight, inputs, wanted;
  int64_t units;

  LeastSquares(int64_t units, int64_t width, uint64_t seed) : units(units) {
    auto generator = at::detail::createCPUGenerator(seed);
    const auto normal = [&](at::IntArrayRef shape) {
      return at::empty(shape, at::kDouble).normal_(0, 1, generator);
    };
    weight = normal({5, units * width});
    inputs = normal({40, units * width});
    wanted = normal({40, 5});
  }
  // Every unit's contribution to every row and output, [rows x outputs, units].
  Tensor contributions() const {
    const int64_t width = weight.size(1) / units;
    std::vector<Tensor> columns;
    for (int64_t u = 0; u < units; ++u) {
      const Tensor own = weight.narrow(1, u * width, width);
      columns.push_back(at::matmul(inputs.narrow(1, u * width, width), own.t()).flatten());
    }
    return at::stack(columns, 1);
  }
  Tensor fitted(double damp) const {
    ContributionFit fit(weight, units);
    fit.add(inputs.narrow(0, 0, 11), wanted.narrow(0, 0, 11));
    fit.add(inputs.narrow(0, 11, 29), wanted.narrow(0, 11, 29));
    return fit.solve(damp);
  }
};

class Contributions : public ::testing::TestWithParam<std::pair<int64_t, int64_t>> {};
INSTANTIATE_TEST_SUITE_P(HeadsAndNeurons, Contributions,
                         ::testing::Values(std::pair(3, 4), std::pair(6, 1), std::pair(1, 2)));

TEST_P(Contributions, AreFittedAsBySolvingAllRowsAndOutputs) {
  const LeastSquares problem(GetParam().first, GetParam().second, 7);
  const Tensor all = problem.contributions();
  for (const double damp : {1e-3, 1.0, 20.0}) {
    const Tensor rows = at::cat({all, damp * at::eye(problem.units, all.options())});
    const Tensor gap =
        at::cat({problem.wanted.flatten() - all.sum(1), at::zeros({problem.units}, all.options())});
    const Tensor expected = 1 + std::get<0>(at::linalg_lstsq(rows, gap.unsqueeze(1))).squeeze(1);
    EXPECT_LE(max_gap(problem.fitted(damp), expected), 1e-9) << "damp " << damp;
  }
}

TEST_P(Contributions, GiveBackTheFactorsThatMadeTheProduct) {
  LeastSquares problem(GetParam().first, GetParam().second, 8);
  const Tensor factors = at::linspace(-2, 3, problem.units, at::kDouble);
  problem.wanted = at::matmul(problem.contributions(), factors).view({40, 5});
  EXPECT_LE(max_gap(problem.fitted(1e-4), factors), 1e-6);
  EXPECT_LE(max_gap(problem.fitted(1e6), at::ones_like(factors)), 1e-6);
}

// The tiny model under masks that close some units, beside all of them.
struct Pruned {
  Model model = testing::tiny_model();
  Examples examples = testing::tiny_examples(60);
  std::vector<Batch> sample;
  Gates parent, masks;

  Pruned() {
    for (int64_t first = 0; first < 60; first += 20) {
      std::vector<int64_t> rows;
      for (int64_t i = first; i < first + 20; ++i) rows.push_back(i);
      sample.push_back(make_batch(examples, rows));
    }
    parent.head = at::ones({3, 4});
    parent.neuron = at::ones({3, 24});
    masks = parent.map([](const Tensor& t) { return t.clone(); });
    masks.head.narrow(1, 0, 2).zero_();
    masks.neuron.narrow(1, 5, 9).zero_();
    seal();
  }
  void seal() {
    parent.seal(model.config);
    masks.seal(model.config);
  }
  // |parent's stream and product - the same of `gates`|^2 of the first layer's sub-layer.
  double gap(bool ffn, const Gates& gates) const {
    torch::NoGradGuard no_grad;
    TrainBackend backend(model);
    Tensor seen;
    backend.watch([&](int, bool, const Tensor& inputs) { seen = inputs; });
    const Linear& linear = ffn ? model.layers[0].down : model.layers[0].output;
    double out = 0;
    for (const Batch& batch : sample) {
      const auto sum_under = [&](const Gates& under) {
        const LayerGates own = layer_gates(under, model.config, 0);
        Hidden x = backend.embed(batch, {});
        if (ffn) x = backend.attend(0, x, own, nullptr);
        const Tensor before = backend.tokens(x);
        ffn ? backend.feed(0, x, own) : backend.attend(0, x, own, nullptr);
        return before + linear.forward(seen);
      };
      out += (sum_under(parent) - sum_under(gates)).square().sum().item<double>();
    }
    return out;
  }
};

TEST(Tuned, SaysMoreOfWhatTheParentSays) {
  const Pruned pruned;
  const Gates gates =
      tuned(pruned.model, pruned.sample, pruned.parent, pruned.masks, 1e-3, /*limit=*/1e4);
  EXPECT_TRUE(at::equal(gates.head.ne(0), pruned.masks.head.ne(0)));
  EXPECT_TRUE(at::equal(gates.neuron.ne(0), pruned.masks.neuron.ne(0)));
  EXPECT_LT(pruned.gap(false, gates), pruned.gap(false, pruned.masks));
  Gates untuned = gates;  // the same stream, whose FFN is as it was
  untuned.neuron = pruned.masks.neuron;
  EXPECT_LT(pruned.gap(true, gates), pruned.gap(true, untuned));
  // No small change of a value does better.
  for (const double factor : {0.98, 1.02}) {
    Gates other = gates.map([](const Tensor& t) { return t.clone(); });
    other.head[0][3].mul_(factor);
    EXPECT_LT(pruned.gap(false, gates), pruned.gap(false, other));
    other = gates.map([](const Tensor& t) { return t.clone(); });
    other.neuron[0][20].mul_(factor);
    EXPECT_LT(pruned.gap(true, gates), pruned.gap(true, other));
  }
}

TEST(Tuned, LeavesTheParentItselfAlone) {
  const Pruned pruned;
  const Gates gates = tuned(pruned.model, pruned.sample, pruned.masks, pruned.masks, 1);
  EXPECT_LE(max_gap(gates.head, pruned.masks.head), 1e-3);
  EXPECT_LE(max_gap(gates.neuron, pruned.masks.neuron), 1e-3);
}

TEST(Tuned, DoesNotDependOnHowBatchesAreCut) {
  Pruned pruned;
  const Gates whole = tuned(pruned.model, pruned.sample, pruned.parent, pruned.masks, 1);
  pruned.sample.clear();
  for (int64_t first = 0; first < 60; first += 6) {
    std::vector<int64_t> rows;
    for (int64_t i = first; i < first + 6; ++i) rows.push_back(i);
    pruned.sample.push_back(make_batch(pruned.examples, rows));
  }
  const Gates parts = tuned(pruned.model, pruned.sample, pruned.parent, pruned.masks, 1);
  EXPECT_LE(max_gap(whole.head, parts.head), 1e-3);
  EXPECT_LE(max_gap(whole.neuron, parts.neuron), 1e-3);
}

TEST(Tuned, KeepsTheValuesWhereASolutionGoesTooFar) {
  const Pruned pruned;
  const Gates gates = tuned(pruned.model, pruned.sample, pruned.parent, pruned.masks, 1e3, 0.5);
  EXPECT_TRUE(at::equal(gates.head, pruned.masks.head));
  EXPECT_TRUE(at::equal(gates.neuron, pruned.masks.neuron));
}

TEST(Tuned, WalksPastSubLayersThatAreGone) {
  Pruned pruned;
  pruned.masks.head[1].zero_();
  pruned.masks.head[2].zero_();  // the last one, of which the rows' first tokens go on
  pruned.parent.neuron[0].zero_();
  pruned.seal();
  const Gates gates = tuned(pruned.model, pruned.sample, pruned.parent, pruned.masks, 1);
  EXPECT_EQ(gates.head.narrow(0, 1, 2).abs().sum().item<double>(), 0);
  EXPECT_TRUE(at::equal(gates.neuron[0], pruned.masks.neuron[0])) << "nothing to equal";
  EXPECT_GT(max_gap(gates.neuron[2], pruned.masks.neuron[2]), 0);
  EXPECT_TRUE(gates.neuron.isfinite().all().item<bool>());
}

TEST(Watch, SeesWhatTheSubLayersMultiplyGatesApplied) {
  const Pruned pruned;
  torch::NoGradGuard no_grad;
  TrainBackend backend(pruned.model), plain(pruned.model);
  std::vector<std::pair<int, bool>> order;
  backend.watch([&](int layer, bool ffn, const Tensor& inputs) {
    order.emplace_back(layer, ffn);
    EXPECT_EQ(inputs.size(0), pruned.sample[0].tokens());
    EXPECT_EQ(inputs.size(1), ffn ? 24 : 16);
    const Tensor closed = ffn ? inputs.narrow(1, 5, 9) : inputs.narrow(1, 0, 8);
    EXPECT_EQ(closed.abs().max().item<double>(), 0);
  });
  const LayerGates own = layer_gates(pruned.masks, pruned.model.config, 1);
  const Hidden x = backend.embed(pruned.sample[0], {});
  const Hidden out = backend.feed(1, backend.attend(1, x, own, nullptr), own);
  EXPECT_EQ(order, (std::vector<std::pair<int, bool>>{{1, false}, {1, true}}));
  // Without gates, and so without a watch, one kernel computes the whole FFN.
  Tensor seen;
  backend.watch([&](int, bool, const Tensor& inputs) { seen = inputs; });
  EXPECT_LE(max_gap(backend.tokens(backend.feed(0, x, {})), plain.tokens(plain.feed(0, x, {}))),
            1e-4);
  EXPECT_EQ(seen.size(1), 24);
}

}  // namespace
}  // namespace espalier
