#include "core/task/token_classification.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/task/predictions.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::predictions;
using testing::with_targets;

constexpr float kNone = TokenClassification::kNoClass;

// A word becomes one token a character, its byte; 1 and 2 stand around the text.
class Letters : public Tokenizer {
 public:
  std::vector<int32_t> tokenize(std::string_view text, std::vector<Span>*) const override {
    return {text.begin(), text.end()};
  }
  std::vector<int32_t> tokenize_word(std::string_view word, std::vector<Span>*) const override {
    return {word.begin(), word.end()};
  }
  Encoding join(std::span<const int32_t> first, std::span<const int32_t>, bool) const override {
    Encoding out;
    out.ids = {1};
    out.ids.insert(out.ids.end(), first.begin(), first.end());
    out.ids.push_back(2);
    out.types.resize(out.ids.size());
    out.first_begin = 1;
    return out;
  }
  int added_tokens(bool) const override { return 2; }
  int vocabulary() const override { return 256; }
  SpecialTokens specials() const override { return {}; }
};

std::unique_ptr<Task> tagger(std::vector<std::string> labels = {"B-PER", "I-PER", "O"}) {
  return *make_task("token-classification", std::move(labels));
}

Features encode(const Sample& sample, int max_length) {
  const Letters letters;
  return tagger()->encode({&letters, nullptr, max_length}, sample)->front();
}

Features encode(const std::vector<std::string>& words, const std::vector<float>& target,
                int max_length) {
  Sample sample;
  sample.words.assign(words.begin(), words.end());
  sample.target = target;
  return encode(sample, max_length);
}

TEST(TokenClassification, LabelsTheFirstTokenOfEveryWord) {
  Features features = encode({"ab", "c"}, {0, 2}, 16);
  EXPECT_THAT(features.input.ids, ElementsAre(1, 'a', 'b', 'c', 2));
  EXPECT_THAT(features.target, ElementsAre(kNone, 0, kNone, 2, kNone));
  EXPECT_FALSE(features.truncated);
}

TEST(TokenClassification, CutsWordsThatDoNotFit) {
  Features features = encode({"ab", "cd", "e"}, {0, 1, 2}, 5);
  EXPECT_THAT(features.input.ids, ElementsAre(1, 'a', 'b', 'c', 2));
  EXPECT_THAT(features.target, ElementsAre(kNone, 0, kNone, 1, kNone));
  EXPECT_TRUE(features.truncated);
  EXPECT_EQ(features.words.size(), 2u);
}

TEST(TokenClassification, KnowsWhereTheWordsOfATextStand) {
  Sample sample;
  sample.text = " \xC3\xA9t\xC3\xA9\t ab";  // "été": five bytes, three code points
  Features features = encode(sample, 32);
  ASSERT_EQ(features.words.size(), 2u);
  EXPECT_EQ(features.words[0].place, (Span{1, 4}));
  EXPECT_EQ(features.words[1].place, (Span{6, 8}));
  EXPECT_EQ(features.words[1].token, 6);
  EXPECT_TRUE(features.target.empty());
}

TEST(TokenClassification, CountsEntitiesAndWords) {
  // Tokens of one sentence: special, B-PER, I-PER, O, B-PER, special. It says O for the last one.
  Targets targets;
  targets.add(std::vector<float>{kNone, 0, 1, 2, 0, kNone});
  auto metrics = tagger()->evaluate(
      predictions({{9, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 9, 0, 0}}), with_targets(targets));
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name, "entity_f1");
  EXPECT_NEAR(metrics[0].value, 100 * 2 / 3.0, 1e-9);
  EXPECT_EQ(metrics[1].name, "token_accuracy");
  EXPECT_NEAR(metrics[1].value, 75, 1e-9);
  EXPECT_EQ(metrics[1].count, 1);
}

TEST(TokenClassification, HasNoEntitiesWhereTheLabelsMarkNone) {
  Targets targets;
  targets.add(std::vector<float>{1});
  auto metrics = tagger({"NOUN", "VERB"})->evaluate(predictions({{0, 1}}), with_targets(targets));
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].name, "token_accuracy");
}

}  // namespace
}  // namespace espalier
