// What happens when memory runs out inside a step.
#include <gtest/gtest.h>

#include <new>

#include "core/base/guard.h"
#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::Workbench;

// Runs out of memory on micro-batches with more rows than `most`, the first `spared` of them
// excepted: where one is spared, its gradients have been accumulated when the next one fails.
struct Hungry : Distiller {
  explicit Hungry(int64_t most, int64_t spared = 0, bool on_a_device = true)
      : most(most), spared(spared), on_a_device(on_a_device) {}
  Tensor loss(const Pass& pass) override {
    if (pass.batch.rows() <= most || spared-- > 0) return {};
    if (!on_a_device) throw std::bad_alloc();
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 2 GiB");
    return {};
  }
  Needs needs() const override {
    Needs out;
    out.whole_batch = whole;
    return out;
  }
  int64_t most, spared;
  bool on_a_device, whole = false;
};

std::map<std::string, Tensor> run_to_the_end(Trainer& trainer, Model& model) {
  while (!trainer.done()) trainer.step();
  trainer.finish();
  return model.clone().tensors();
}

// The weights that five steps leave.
std::map<std::string, Tensor> weights_after(int micro_batch_size, Hungry& hungry) {
  Workbench bench(5);
  bench.spec().micro_batch_size = micro_batch_size;
  bench.training.distillers = {&hungry};
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  auto weights = run_to_the_end(trainer, model);
  EXPECT_EQ(trainer.metrics().at("micro_batch_size"), 2);
  return weights;
}

void expect_equal(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
}

TEST(Memory, AStepIsDoneAgainOnHalves) {
  Hungry modest(8), device(2, 1), host(2, 0, false);
  const auto small = weights_after(2, modest);
  expect_equal(small, weights_after(4, device));
  expect_equal(small, weights_after(8, host));  // 8, then 4, then 2
}

TEST(Memory, TheSmallerSizeIsPartOfTheCheckpoint) {
  Hungry modest(8), hungry(2, 1), forgetful(8);
  const auto small = weights_after(2, modest);
  Workbench bench(5);
  bench.spec().micro_batch_size = 4;
  bench.training.distillers = {&hungry};
  Model model = testing::tiny_model();
  State state;
  {
    Trainer trainer(model, bench.training);
    trainer.step();
    trainer.save(state);
    for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
  }
  bench.training.distillers = {&forgetful};
  Trainer resumed(model, bench.training, &state);
  expect_equal(small, run_to_the_end(resumed, model));
}

// Asks for the task's gradients before every step, and runs out of memory there so many times.
struct Probing : Distiller {
  explicit Probing(int failures) : failures(failures) {}
  void before_step(Session& session, const Step& step) override {
    Gates gates;
    gates.ffn = at::ones({3}).set_requires_grad(true);
    gates.ffn.register_hook([this](const Tensor& gradient) {
      if (failures-- > 0) throw std::bad_alloc();
      return gradient;
    });
    gates.seal(session.model().config);
    session.task_gradients(gates, step.index, [this](const Model& model) {
      seen.push_back(model.layers[1].down.weight.grad().abs().sum().item<double>());
    });
    EXPECT_FALSE(session.model().layers[1].down.weight.grad().defined());
  }
  int failures;
  std::vector<double> seen;  // of a weight's gradients, one number a call
};

// The weights that five steps leave; all of them take micro-batches of 4.
std::map<std::string, Tensor> weights_of_fours(int micro_batch_size,
                                               std::vector<Distiller*> distillers) {
  Workbench bench(5);
  bench.spec().micro_batch_size = micro_batch_size;
  bench.training.distillers = std::move(distillers);
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  trainer.step();
  EXPECT_EQ(trainer.metrics().at("micro_batch_size"), 4);
  return run_to_the_end(trainer, model);
}

TEST(Memory, AStepBeginsWithWhatFittedBeforeIt) {
  Probing calm(0), failing(1);
  const auto fours = weights_of_fours(4, {});
  expect_equal(fours, weights_of_fours(4, {&calm}));  // it changes nothing, dropout included
  expect_equal(fours, weights_of_fours(8, {&failing}));
  EXPECT_EQ(calm.seen.size(), 5u);
  EXPECT_EQ(failing.seen, calm.seen);  // without what the first try left
}

absl::Status train_hungry(Hungry& hungry) {
  Workbench bench(5);
  bench.training.distillers = {&hungry};
  Model model = testing::tiny_model();
  return guard("training", [&] {
    Trainer trainer(model, bench.training);
    run_to_the_end(trainer, model);
  });
}

TEST(Memory, EndsWhereNothingIsLeftToHalve) {
  Hungry starving(0);
  const absl::Status status = train_hungry(starving);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("step 1 of phase finetune with micro-batches of 1; a smaller"),
            std::string::npos)
      << status;
}

TEST(Memory, AWholeBatchIsNotHalved) {
  Hungry hungry(2);
  hungry.whole = true;
  const absl::Status status = train_hungry(hungry);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("with micro-batches of 8, which a method"), std::string::npos)
      << status;
}

TEST(Memory, OtherFaultsAreNotRepeated) {
  struct Broken : Distiller {
    Tensor loss(const Pass&) override {
      ++asked;
      TORCH_CHECK(false, "a fault of its own");
      return {};
    }
    int asked = 0;
  } broken;
  Workbench bench(5);
  bench.training.distillers = {&broken};
  Model model = testing::tiny_model();
  const absl::Status status = guard("training", [&] { Trainer(model, bench.training).step(); });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_EQ(broken.asked, 1);
}

}  // namespace
}  // namespace espalier
