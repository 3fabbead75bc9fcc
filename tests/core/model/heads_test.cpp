#include "core/model/heads.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "core/kernels/dropout.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

Linear dense(int64_t outputs, int64_t inputs) {
  Linear out;
  out.weight = at::randn({outputs, inputs});
  out.bias = at::randn({outputs});
  return out;
}

TEST(HeadLogits, DropsWhatEachLayerReads) {
  const Linear pooler = dense(8, 8), classifier = dense(3, 8);
  const Tensor row = at::randn({5, 8});
  at::manual_seed(7);
  const Tensor features = at::tanh(pooler.forward(dropout(row, 0.5)));
  const Tensor expected = classifier.forward(dropout(features, 0.25));
  at::manual_seed(7);
  EXPECT_TRUE(at::equal(head_logits(pooler, classifier, row, "tanh", {0.5, 0.25}), expected));
}

TEST(HeadLogits, WithoutDropoutDrawsNothing) {
  const Linear pooler = dense(8, 8), classifier = dense(3, 8);
  at::manual_seed(7);
  const uint64_t next = draw_dropout_key();
  at::manual_seed(7);
  head_logits(pooler, classifier, at::ones({5, 8}));
  EXPECT_EQ(draw_dropout_key(), next);
}

// How many times a walk drops out: the first key that the generator gives behind it.
int dropouts_of(Family family) {
  Model model = testing::tiny_model();
  model.config.family = family;
  TrainBackend backend(model);  // not in training: the head alone drops
  const Batch batch = testing::tiny_batch(testing::tiny_examples(4), 4);
  at::manual_seed(7);
  walk(backend, batch, {}, {.head_dropout = 0.5});
  const uint64_t next = draw_dropout_key();
  at::manual_seed(7);
  for (int drawn = 0; drawn < 4; ++drawn) {
    if (draw_dropout_key() == next) return drawn;
  }
  return -1;
}

// RobertaClassificationHead and its like drop before `dense` and before `out_proj`; BERT's and
// DistilBERT's heads before the classifier alone.
TEST(HeadLogits, DropTwiceWhereTheFamilyDoes) {
  EXPECT_EQ(dropouts_of(Family::kBert), 1);
  EXPECT_EQ(dropouts_of(Family::kDistilBert), 1);
  EXPECT_EQ(dropouts_of(Family::kRoberta), 2);
  EXPECT_EQ(dropouts_of(Family::kMpnet), 2);
  EXPECT_EQ(dropouts_of(Family::kElectra), 2);
}

}  // namespace
}  // namespace espalier
