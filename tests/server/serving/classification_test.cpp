#include "server/serving/classification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;

// Two rows of three numbers.
struct Ranked {
  Ranked(const std::vector<std::string>& labels, int classes, std::vector<float> values) {
    tensor.set_datatype("FP32");
    tensor.add_shape(2);
    tensor.add_shape(3);
    raw = raw_bytes(values);
    rank_classes(labels, classes, &tensor, &raw);
  }
  inference::ModelInferResponse::InferOutputTensor tensor;
  std::string raw;
};

std::string element(const std::string& text) {
  const std::string_view view = text;
  return raw_bytes(std::span(&view, 1));
}

TEST(Classification, NamesTheBestClassesOfEveryRow) {
  const Ranked ranked({"a", "b", "c"}, 2, {0.25f, 0.5f, 0.125f, 3, 1, 2});
  EXPECT_EQ(ranked.tensor.datatype(), "BYTES");
  EXPECT_THAT(ranked.tensor.shape(), ElementsAre(2, 2));
  EXPECT_EQ(ranked.raw, element("0.500000:1:b") + element("0.250000:0:a") +
                            element("3.000000:0:a") + element("2.000000:2:c"));
}

TEST(Classification, OfEqualsTheLowerIndexIsFirst) {
  const Ranked ranked({"a", "b", "c"}, 1, {1, 1, 1, 0, 2, 2});
  EXPECT_EQ(ranked.raw, element("1.000000:0:a") + element("2.000000:1:b"));
}

TEST(Classification, AsksForNoMoreClassesThanThereAre) {
  const Ranked ranked({}, 7, {1, 2, 3, 3, 2, 1});
  EXPECT_THAT(ranked.tensor.shape(), ElementsAre(2, 3));
  EXPECT_EQ(ranked.raw.substr(0, 14), element("3.000000:2"));
}

TEST(Classification, IsForClassesOnly) {
  inference::ModelInferRequest::InferRequestedOutputTensor wanted;
  wanted.set_name("logits");
  EXPECT_EQ(*parse_classification(wanted, Output::kLogits, espalier::testing::fake_info()), 0);
  (*wanted.mutable_parameters())["classification"].set_int64_param(2);
  runtime::ModelInfo info = espalier::testing::fake_info();
  EXPECT_EQ(*parse_classification(wanted, Output::kLogits, info), 2);
  EXPECT_FALSE(parse_classification(wanted, Output::kConfidence, info).ok());
  info.objective = Objective::kSpan;
  EXPECT_FALSE(parse_classification(wanted, Output::kLogits, info).ok());
}

}  // namespace
}  // namespace espalier::server
