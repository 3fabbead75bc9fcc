#include "core/model/model.h"

#include <gtest/gtest.h>

#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using Names = std::vector<std::string>;

Model three_labels(const Names& names) {
  Model model = testing::tiny_model();
  model.reset_classifier(3, 1);
  model.config.label_names = names;
  return model;
}

TEST(Model, AClassifierFollowsItsLabelsIntoAnotherOrder) {
  Model model = three_labels({"entailment", "neutral", "contradiction"});
  Tensor before = model.classifier.weight.clone(), bias = model.classifier.bias.clone();
  const Names sorted = {"Contradiction", "entailment", "neutral"};
  ASSERT_TRUE(model.reorder_classifier(sorted));
  EXPECT_EQ(model.config.label_names, sorted);
  Tensor order = torch::tensor({2, 0, 1});
  EXPECT_TRUE(at::equal(model.classifier.weight, before.index_select(0, order)));
  EXPECT_TRUE(at::equal(model.classifier.bias, bias.index_select(0, order)));
}

TEST(Model, NumberedLabelsStandInOrder) {
  Model model = three_labels({"LABEL_0", "LABEL_1", "LABEL_2"});
  Tensor before = model.classifier.weight.clone();
  EXPECT_TRUE(model.reorder_classifier({"a", "b", "c"}));
  EXPECT_TRUE(at::equal(model.classifier.weight, before));
  Model named = three_labels({"a", "b", "c"});
  EXPECT_TRUE(named.reorder_classifier({"0", "1", "2"}));
}

TEST(Model, AHeadForOtherLabelsServesNone) {
  EXPECT_FALSE(three_labels({"a", "b", "c"}).reorder_classifier({"a", "b", "d"}));
  EXPECT_FALSE(three_labels({"a", "b", "c"}).reorder_classifier({"a", "b"}));
}

// Named tensors of the head, in the order of for_each.
Names head_of(const Model& model) {
  Names out;
  model.for_each([&](const std::string& name, const Tensor&) {
    if (!name.starts_with("layers.") && !name.starts_with("embeddings.")) out.push_back(name);
  });
  return out;
}

TEST(Model, GetsAHeadForWordsAndKeepsIt) {
  Model model = testing::tiny_model();
  model.reset_classifier(0, 1, HeadKind::kMaskedLm);
  EXPECT_EQ(head_of(model), (Names{"lm.dense.weight", "lm.dense.bias", "lm.norm.weight",
                                   "lm.norm.bias", "lm.bias"}));
  EXPECT_TRUE(assemble_model(model.config, model.tensors()).ok());
  Tensor dense = model.lm_dense.weight.clone();
  model.reset_classifier(2, 5, HeadKind::kMaskedLm);
  EXPECT_TRUE(at::equal(model.lm_dense.weight, dense));
  EXPECT_EQ(model.classifier.outputs(), 2);
  EXPECT_TRUE(model.pooler.defined());
  EXPECT_TRUE(assemble_model(model.config, model.tensors()).ok());
  model.reset_classifier(3, 1);
  EXPECT_FALSE(model.lm_dense.defined());
}

TEST(Model, AHeadForSpansIsNoneForTags) {
  Model model = testing::tiny_model();
  model.reset_classifier(2, 1, HeadKind::kToken, /*spans=*/true);
  EXPECT_TRUE(model.config.spans);
  EXPECT_EQ(model.config.head_dropout, 0.0);  // BERT's has none
  model.reset_classifier(2, 1, HeadKind::kToken);
  EXPECT_FALSE(model.config.spans);
  EXPECT_EQ(model.config.head_dropout, std::nullopt);  // hidden_dropout
}

}  // namespace
}  // namespace espalier
