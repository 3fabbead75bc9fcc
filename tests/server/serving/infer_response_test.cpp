#include "server/serving/infer_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InferResponseTest : public ::testing::Test {
 protected:
  inference::ModelInferResponse fill(std::vector<Output> outputs, bool truncated = false) {
    inference::ModelInferResponse response;
    fill_response(card, outputs, answers, truncated, &response);
    return response;
  }
  const ModelCard card{"m", "artifact-1", espalier::testing::fake_info()};
  const std::vector<runtime::Answer> answers = {{{1, 2}, {0.25f, 0.75f}, 1, 3, 0.75f},
                                                {{4, 3}, {0.5f, 0.5f}, 0, 4, 0.5f}};
};

TEST_F(InferResponseTest, SaysWhichModelRan) {
  const auto response = fill({Output::kLabel});
  EXPECT_EQ(response.model_name(), "m");
  EXPECT_EQ(response.model_version(), "artifact-1");
}

TEST_F(InferResponseTest, GivesTheOutputsInTheOrderAskedForAsRawContents) {
  const auto response = fill({Output::kExitLayer, Output::kLogits});
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.outputs(0).name(), "exit_layer");
  EXPECT_EQ(response.outputs(0).datatype(), "INT32");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2));
  EXPECT_THAT(values_of<int32_t>(response.raw_output_contents(0)), ElementsAre(3, 4));
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(2, 2));
  EXPECT_THAT(values_of<float>(response.raw_output_contents(1)), ElementsAre(1, 2, 4, 3));
}

TEST_F(InferResponseTest, PrefixesEachLabelWithItsLength) {
  const auto response = fill({Output::kLabel});
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_EQ(response.raw_output_contents(0),
            std::string("\x08\0\0\0positive\x08\0\0\0negative", 24));
}

TEST_F(InferResponseTest, NamesTheRowWhoseLogitsAreNoNumbers) {
  EXPECT_TRUE(check_answers(answers).ok());
  std::vector<runtime::Answer> broken = answers;
  broken[1].logits[0] = std::nanf("");
  const absl::Status status = check_answers(broken);
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 1: the model's logits"));
  std::vector<ReadRow> read(1);
  read[0].windows.resize(2);
  EXPECT_THAT(std::string(check_answers(broken, read).message()), HasSubstr("row 0"));
}

TEST_F(InferResponseTest, TellsWordsWithoutAProbability) {
  std::vector<runtime::Answer> words(1);
  words[0].words = {{{7, 0.5f, "film"}}, {{8, std::nanf(""), "bad"}}};
  EXPECT_TRUE(absl::IsInternal(check_answers(words)));
  words[0].words.pop_back();
  EXPECT_TRUE(check_answers(words).ok());
}

TEST_F(InferResponseTest, ALabelWithoutNameIsItsNumber) { EXPECT_EQ(label_name({}, 3), "3"); }

TEST_F(InferResponseTest, TellsWhetherAnyRowWasCut) {
  EXPECT_TRUE(fill({Output::kLabel}, true).parameters().at("truncated").bool_param());
  EXPECT_FALSE(fill({Output::kLabel}, false).parameters().at("truncated").bool_param());
}

}  // namespace
}  // namespace espalier::server
