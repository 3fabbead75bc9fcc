#include "server/serving/context_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/serving/infer_request.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The separator is 2.
runtime::ModelInfo span_info() {
  runtime::ModelInfo info = espalier::testing::fake_info();
  info.objective = Objective::kSpan;
  info.separator_id = 2;
  info.label_names = {};
  return info;
}

// Tokens of the context.
std::vector<int32_t> context_of(std::vector<int32_t> ids, std::vector<int32_t> types = {}) {
  Input input;
  input.ids = std::move(ids);
  input.types = std::move(types);
  input.types.resize(input.ids.size());
  std::vector<int32_t> out;
  const auto places = context_tokens(input, span_info());
  for (size_t token = 0; places.ok() && token < places->size(); ++token) {
    if ((*places)[token].begin < 0) continue;
    EXPECT_EQ((*places)[token],
              (Span{static_cast<int32_t>(token), static_cast<int32_t>(token) + 1}));
    out.push_back(static_cast<int32_t>(token));
  }
  return out;
}

TEST(ContextTokens, HaveTypesThatAreNotZero) {
  EXPECT_THAT(context_of({1, 7, 2, 8, 9, 2}, {0, 0, 0, 1, 1, 1}), ElementsAre(3, 4));
  EXPECT_THAT(context_of({1, 7, 8, 9}, {0, 0, 1, 1}), ElementsAre(2, 3));
}

TEST(ContextTokens, StandBehindTheFirstSeparatorsWhereThereAreNoTypes) {
  EXPECT_THAT(context_of({1, 7, 2, 8, 9, 2}), ElementsAre(3, 4));
  EXPECT_THAT(context_of({1, 7, 2, 2, 8, 2, 9, 2}), ElementsAre(4, 5, 6));  // RoBERTa
  EXPECT_THAT(context_of({1, 7, 2, 8}), ElementsAre(3));                    // cut
}

TEST(ContextTokens, AreRefusedWhereNothingTellsThem) {
  EXPECT_THAT(context_of({1, 7, 8, 2}), IsEmpty());
  EXPECT_THAT(context_of({1, 7, 8}), IsEmpty());
  EXPECT_THAT(context_of({1, 7, 2, 2}), IsEmpty());
  EXPECT_THAT(context_of({7, 8}, {1, 1}), IsEmpty());
  const auto parsed = parse_infer_request(id_request({1, 7, 8, 2}, {1, 1, 1, 1}, 1), span_info());
  EXPECT_TRUE(absl::IsInvalidArgument(parsed.status()));
  EXPECT_THAT(std::string(parsed.status().message()),
              HasSubstr("row 0: nothing tells the context from its question; put the separator "
                        "(id 2) between them, or send token_type_ids"));
}

TEST(ContextTokens, AreHowARowOfIdsIsRead) {
  const InferRequest request =
      id_request({1, 7, 2, 8, 2, 1, 7, 9, 2, 8}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 2);
  const espalier::testing::FakeEngine engine(span_info());
  const auto encoded = encode_request(*parse_infer_request(request, span_info()), engine);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  ASSERT_EQ(encoded->read.size(), 2u);
  EXPECT_TRUE(encoded->read[1].is_ids);
  EXPECT_EQ(encoded->read[0].windows.at(0).places.at(3), (Span{3, 4}));
  EXPECT_EQ(encoded->read[1].windows.at(0).places.at(4), (Span{4, 5}));
}

}  // namespace
}  // namespace espalier::server
