#include "core/artifact/golden.h"

#include <cmath>
#include <map>

#include "core/base/files.h"
#include "core/model/load.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string folder_of(const std::string& name) {
  const std::string out = ::testing::TempDir() + "/espalier_golden_" + name;
  EXPECT_TRUE(make_folders(out).ok());
  return out;
}

Tensor list(std::vector<int64_t> values) { return torch::tensor(values, torch::kInt64); }

// Two texts of 2 and 1 tokens, the first of which asks for its second.
std::map<std::string, Tensor> asking() {
  return {{"lengths", list({2, 1})}, {"ids", list({5, 6, 7})},        {"types", list({0, 1, 0})},
          {"asked", list({1})},      {"asked_lengths", list({1, 0})}, {"logits", at::ones({1, 9})}};
}

absl::StatusOr<Golden> loaded(const std::map<std::string, Tensor>& tensors) {
  const std::string folder = folder_of("written");
  EXPECT_TRUE(save_tensors(folder + "/golden.safetensors", tensors).ok());
  return load_golden(folder);
}

absl::StatusOr<Golden> changed(const std::string& name, const Tensor& to) {
  auto tensors = asking();
  tensors[name] = to;
  return loaded(tensors);
}

void expect_refused(const absl::StatusOr<Golden>& golden, const std::string& why) {
  EXPECT_TRUE(absl::IsInvalidArgument(golden.status())) << golden.status();
  EXPECT_THAT(std::string(golden.status().message()), HasSubstr(why));
}

TEST(Golden, ComesBackWithItsAskedWordsAndSentences) {
  Golden golden;
  golden.inputs.resize(2);
  golden.inputs[0].ids = {5, 6, 7};
  golden.inputs[0].types = {0, 0, 1};
  golden.inputs[0].asked = {1, 2};
  golden.inputs[1].ids = {8};
  golden.inputs[1].types = {0};
  golden.logits = torch::tensor({1.0f, 2.0f}).view({2, 1});
  golden.sentence_logits = torch::tensor({3.0f, 4.0f, 5.0f, 6.0f}).view({2, 2});
  golden.slack = 0.25;
  const std::string folder = folder_of("words");
  ASSERT_TRUE(save_golden(folder, golden).ok());
  const auto back = load_golden(folder);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_THAT(back->inputs[0].ids, ElementsAre(5, 6, 7));
  EXPECT_THAT(back->inputs[0].types, ElementsAre(0, 0, 1));
  EXPECT_THAT(back->inputs[0].asked, ElementsAre(1, 2));
  EXPECT_THAT(back->inputs[1].ids, ElementsAre(8));
  EXPECT_TRUE(back->inputs[1].asked.empty());
  EXPECT_TRUE(at::equal(back->logits, golden.logits));
  EXPECT_TRUE(at::equal(back->sentence_logits, golden.sentence_logits));
  EXPECT_EQ(back->slack, 0.25);
}

TEST(Golden, ComesBackWithItsPixels) {
  Golden golden;
  golden.inputs.resize(2);
  golden.inputs[0].pixels = {0, 128, 255};
  golden.inputs[1].pixels = {1, 2, 3};
  for (Input& input : golden.inputs) input.image_tokens = 5;
  golden.logits = at::ones({2, 4});
  const std::string folder = folder_of("pixels");
  ASSERT_TRUE(save_golden(folder, golden).ok());
  const auto back = load_golden(folder);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_THAT(back->inputs[0].pixels, ElementsAre(0, 128, 255));
  EXPECT_THAT(back->inputs[1].pixels, ElementsAre(1, 2, 3));
  EXPECT_EQ(back->inputs[1].tokens(), 5);
  EXPECT_FALSE(back->sentence_logits.defined());
}

// As files were before there were words to ask for.
TEST(Golden, AsksForNothingWhereNothingSaysSo) {
  auto tensors = asking();
  tensors.erase("asked");
  tensors.erase("asked_lengths");
  tensors["logits"] = at::ones({2, 3});
  const auto golden = loaded(tensors);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_THAT(golden->inputs[0].ids, ElementsAre(5, 6));
  EXPECT_TRUE(golden->inputs[0].asked.empty());
}

TEST(Golden, RefusesListsThatDoNotFit) {
  EXPECT_TRUE(loaded(asking()).ok());
  expect_refused(changed("asked_lengths", list({2, -1})), "sizes disagree");
  expect_refused(changed("lengths", list({4, -1})), "sizes disagree");
  expect_refused(changed("lengths", list({1, 1})), "sizes disagree");
  expect_refused(changed("asked", list({2})), "sizes disagree");  // its row has 2 tokens
  expect_refused(changed("asked", list({-1})), "sizes disagree");
  expect_refused(changed("types", list({0})), "sizes disagree");
  expect_refused(changed("ids", at::ones({3, 1})), "ids is no list");
}

TEST(Golden, AllowsNothingWhereNothingSaysSo) { EXPECT_EQ(loaded(asking())->slack, 0); }

TEST(Golden, RefusesASlackThatIsNoNumber) {
  expect_refused(changed("slack", at::ones({2})), "slack is not one finite number");
  expect_refused(changed("slack", at::full({1}, -1.0)), "slack is not one finite number");
  expect_refused(changed("slack", at::full({1}, NAN)), "slack is not one finite number");
}

absl::StatusOr<double> slack_of_gap(double gap, double largest = 10,
                                    Precision precision = Precision::kInt8) {
  const Tensor exact = torch::tensor({{largest, 0.0}, {-0.25 * largest, 0.5 * largest}});
  return slack_between(exact, exact + torch::tensor({{0.0, gap}, {0.0, -gap / 2}}), precision);
}

TEST(GoldenSlack, IsFourTimesTheGap) { EXPECT_DOUBLE_EQ(*slack_of_gap(0.5), 2); }

TEST(GoldenSlack, IsAShareOfTheLogitsWhereTheGapIsSmall) {
  EXPECT_DOUBLE_EQ(*slack_of_gap(0.01), 0.2);
  EXPECT_DOUBLE_EQ(*slack_of_gap(0.001, 0.5), 0.02);
}

// Files whose logits are all 0 must not pass.
TEST(GoldenSlack, StaysBelowHalfTheLargestLogit) {
  EXPECT_DOUBLE_EQ(*slack_of_gap(2), 5);
  EXPECT_DOUBLE_EQ(*slack_of_gap(0.001, 0.03125), 0.015625);
  EXPECT_EQ(*slack_of_gap(0, 0), 0);
  EXPECT_EQ(*slack_between({}, {}, Precision::kInt8), 0);
}

TEST(GoldenSlack, IsRefusedToAModelThatDoesNotStandThePrecision) {
  const absl::Status status = slack_of_gap(3).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  for (const char* part : {"precision int8", "the largest is 10", "by up to 3 where at most 2.5",
                           "bf16 or fp32 instead"})
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  EXPECT_THAT(std::string(slack_of_gap(3, 10, Precision::kBf16).status().message()),
              HasSubstr("ask for the precision fp32 instead"));
  EXPECT_FALSE(slack_of_gap(NAN).ok());
}

TEST(Golden, RefusesLogitsThatDoNotFit) {
  expect_refused(changed("logits", torch::tensor(1.0f)), "logits");
  expect_refused(changed("logits", at::ones({7, 9})), "logits");
  expect_refused(changed("sentence_logits", at::ones({1, 2})), "logits");
  auto tensors = asking();
  tensors.erase("logits");
  expect_refused(loaded(tensors), "there are no logits");
}

}  // namespace
}  // namespace espalier
