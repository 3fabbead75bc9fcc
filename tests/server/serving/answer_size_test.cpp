#include "server/serving/answer_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/serving/infer_request.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using runtime::Row;
using ::testing::HasSubstr;

runtime::ModelInfo words_info() {
  runtime::ModelInfo info;
  info.objective = Objective::kWords;
  info.vocabulary = 30522;  // 2198 lines of them are just below 2^26 numbers
  return info;
}

// Rows of so many tokens, all of which are asked for.
std::vector<Row> rows_of_lengths(std::initializer_list<int32_t> lengths) {
  std::vector<Row> out;
  for (const int32_t length : lengths) {
    Input& input = out.emplace_back().input;
    for (int32_t place = 0; place < length; ++place) {
      input.ids.push_back(0);
      input.asked.push_back(place);
    }
  }
  return out;
}

absl::Status check(const runtime::ModelInfo& info, const std::vector<Row>& rows,
                   std::vector<Output> outputs, std::span<const ReadRow> read = {}) {
  return check_answer_size(info, outputs, rows, read);
}

TEST(AnswerSize, CountsTheLongestRowForEveryRow) {
  EXPECT_TRUE(check(words_info(), rows_of_lengths({1099, 1}), {Output::kLogits}).ok());
  const absl::Status status =
      check(words_info(), rows_of_lengths({1, 1, 733}), {Output::kLabel, Output::kLogits});
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("30522 numbers for each of 3 rows x 733 masks"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("2198 masks in all fit"));
}

TEST(AnswerSize, IsNoMatterWhereOnlyLabelsAreAskedFor) {
  EXPECT_TRUE(
      check(words_info(), rows_of_lengths({4000, 1}), {Output::kLabel, Output::kAnswer}).ok());
  EXPECT_TRUE(
      check(espalier::testing::fake_info(), rows_of_lengths({4000}), {Output::kLogits}).ok());
}

TEST(AnswerSize, IsBoundedWhereEveryMaskIsSpeltOut) {
  const absl::Status status =
      check(words_info(), rows_of_lengths({70000, 70000}), {Output::kLabel});
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("would spell out 140000 masks; 131072"));
}

TEST(AnswerSize, CountsTheWindowsOfARowTogether) {
  std::vector<ReadRow> read(2);
  read[0].windows.resize(2);
  read[1].windows.resize(1);
  const auto rows = rows_of_lengths({600, 600, 1});
  EXPECT_TRUE(check(words_info(), rows, {Output::kLogits}).ok());         // 3 rows x 600
  EXPECT_FALSE(check(words_info(), rows, {Output::kLogits}, read).ok());  // 2 x 1200
}

TEST(AnswerSize, IsCheckedBeforeTheEngineIsAsked) {
  runtime::ModelInfo info = espalier::testing::fake_info();
  info.objective = Objective::kTokenClasses;
  info.label_names.resize(10000);
  const espalier::testing::FakeEngine engine(info);
  InferRequest request = text_request(std::vector<std::string>(1000, "a"));
  add_texts(request, std::vector<std::string>(1000, "b"), "text_pair");
  EXPECT_TRUE(encode_request(*parse_infer_request(request, info), engine).ok());
  request = text_request(std::vector<std::string>(1000, "abcdef"));
  EXPECT_THAT(
      std::string(encode_request(*parse_infer_request(request, info), engine).status().message()),
      HasSubstr("1000 rows x 8 tokens"));
}

}  // namespace
}  // namespace espalier::server
