#include "core/model/walk.h"

#include <gtest/gtest.h>

#include "core/model/task_loss.h"
#include "core/model/train_backend.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

struct Answer {
  Tensor logits;
  std::map<std::string, Tensor> grads;
};

// Who records hidden states sees every token's, so that the last layer computes them all.
Answer answer(Model& model, bool every_token, Gates gates) {
  TrainBackend backend(model, 0);
  model.set_requires_grad(true);
  gates.seal(model.config);
  WalkOptions options;
  options.record.hidden = every_token;
  const Batch batch = testing::tiny_batch(testing::tiny_examples(24), 24);
  Trace trace = walk(backend, batch, gates, options);
  task_loss(Objective::kClass, trace.logits, batch).backward();
  Answer out = {trace.logits.detach(), {}};
  model.for_each([&](const std::string& name, Tensor& tensor) {
    if (tensor.grad().defined()) out.grads[name] = tensor.grad().to_dense();
    tensor.mutable_grad() = Tensor();
  });
  return out;
}

void expect_firsts_suffice(Model model, const Gates& gates = {}) {
  const Answer all = answer(model, true, gates), firsts = answer(model, false, gates);
  EXPECT_LE(testing::max_gap(all.logits, firsts.logits), 1e-6);
  ASSERT_EQ(all.grads.size(), firsts.grads.size());
  for (const auto& [name, grad] : all.grads)
    EXPECT_LE(testing::max_gap(grad, firsts.grads.at(name)), 1e-6) << name;
}

TEST(Walk, TheLastLayerNeedsNoTokenThatNobodyReads) {
  expect_firsts_suffice(testing::tiny_model());
  Model exact = testing::tiny_model();  // its attention is composed over a padded grid
  exact.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.to(at::kDouble); });
  expect_firsts_suffice(exact);
}

TEST(Walk, NorDoesOneWithNormsFirstAndBiasesByDistance) {
  ModelConfig config = testing::tiny_config();
  config.norm_first = true;
  config.relative_buckets = 8;
  config.relative_max_distance = 16;
  expect_firsts_suffice(random_model(config, 3));
}

TEST(Walk, NorDoesOneWithGatesOrWithoutAttention) {
  const Model model = testing::tiny_model();
  Gates gates = testing::random_gates(model.config, 5);
  expect_firsts_suffice(model, gates);
  Gates closed;
  closed.attention = at::tensor({1.0F, 1.0F, 0.0F});
  expect_firsts_suffice(model, closed);
}

}  // namespace
}  // namespace espalier
