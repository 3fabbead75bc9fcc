#include "core/model/embedding.h"

#include <gtest/gtest.h>

#include "core/model/task_loss.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

Tensor bytes_of(std::vector<uint8_t> values, int64_t channels) {
  return torch::tensor(at::ArrayRef<uint8_t>(values), torch::kUInt8).view({1, channels, 1, -1});
}

Tensor floats(std::vector<float> values) {
  return torch::tensor(at::ArrayRef<float>(values), torch::kFloat32);
}

// ViTImageProcessor.preprocess() of transformers 4.57.6 of values 0, 1, 128 and 200, 254, 255 side
// by side, with ImageNet's mean and standard deviation.
TEST(Normalised, EqualsTheReferenceInEveryBit) {
  ImageSettings settings;
  settings.mean = {0.485, 0.456, 0.406};
  settings.std = {0.229, 0.224, 0.225};
  Tensor out = normalised(bytes_of({0, 200, 1, 254, 128, 255}, 3), settings);
  EXPECT_EQ(out.sizes(), (std::vector<int64_t>{1, 3, 1, 2}));
  EXPECT_TRUE(at::equal(out.flatten(), floats({-2.11790395f, 1.30704677f, -2.01820731f, 2.41106415f,
                                               0.426492572f, 2.6400001f})));
}

TEST(Normalised, TakesOneMeanForAllChannels) {
  ImageSettings settings;
  settings.rescale = 1;
  settings.mean = {1};
  settings.std = {2};
  Tensor out = normalised(bytes_of({1, 3, 255}, 3), settings);
  EXPECT_TRUE(at::equal(out.flatten(), floats({0, 1, 127})));
}

// Four pixels, each a patch.
TEST(EmbedRows, NormalisesBytesAndTakesFloatsAsTheyAre) {
  ModelConfig config;
  config.family = Family::kVit;
  config.hidden = 2;
  config.image_size = 2;
  config.patch_size = 1;
  config.channels = 1;
  config.positions = 5;
  config.embedding_norm = false;
  config.image.mean = config.image.std = {0.5};
  Model model = random_model(config, 1);
  Batch bytes, values;
  bytes.lengths = values.lengths = {5};
  bytes.pixels = bytes_of({0, 51, 102, 255}, 1).flatten(1);
  values.pixels = normalised(bytes.pixels.view({1, 1, 2, 2}), config.image).flatten(1);
  const TokenRows rows({5}, torch::kCPU);
  auto keep = [](const Tensor& x) { return x; };
  Tensor x = embed_rows(model, bytes, rows, {}, keep);
  EXPECT_EQ(x.sizes(), (std::vector<int64_t>{5, 2}));
  EXPECT_TRUE(at::equal(x, embed_rows(model, values, rows, {}, keep)));
}

// After so many backward passes over the same two rows.
Tensor word_gradient(Model& model, int passes) {
  TrainBackend backend(model, 0);
  model.word.mutable_grad() = Tensor();
  model.set_requires_grad(true);
  const Batch batch = testing::tiny_batch(testing::tiny_examples(2), 2);
  for (int pass = 0; pass < passes; ++pass) {
    task_loss(Objective::kClass, walk(backend, batch).logits, batch).backward();
    merge_word_gradient(model);
  }
  return model.word.grad();
}

TEST(WordGradient, HoldsTheWordsThatWereReadAndEachOnce) {
  Model model = testing::tiny_model();
  const Tensor one = word_gradient(model, 1), many = word_gradient(model, 5);
  ASSERT_TRUE(one.is_sparse());
  ASSERT_TRUE(many.is_sparse());
  EXPECT_TRUE(one.is_coalesced());
  EXPECT_EQ(many._nnz(), one._nnz());
  EXPECT_LE(testing::max_gap(many.to_dense(), one.to_dense() * 5), 1e-5);
}

TEST(WordGradient, IsDenseWhereMostWordsAreRead) {
  Model model = testing::tiny_model();
  TrainBackend backend(model, 0);
  model.set_requires_grad(true);
  const Batch batch = testing::tiny_batch(testing::tiny_examples(60), 60);
  const Tensor loss = task_loss(Objective::kClass, walk(backend, batch).logits, batch);
  loss.backward();
  const Tensor before = model.word.grad().to_dense();
  merge_word_gradient(model);
  EXPECT_FALSE(model.word.grad().is_sparse());
  EXPECT_LE(testing::max_gap(model.word.grad(), before), 1e-6);
}

}  // namespace
}  // namespace espalier
