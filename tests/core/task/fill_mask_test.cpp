#include "core/task/fill_mask.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/task/predictions.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Ids by line: 2 [CLS], 3 [SEP], 4 [MASK], 5 the, ... 14 x.
constexpr char kMaskWords[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\na\nfilm\nwas\ngood\nbad\nit\nis\nno\nx\n";

Reading reading_of(const Tokenizer& tokenizer) {
  Reading out;
  out.tokenizer = &tokenizer;
  out.max_length = 16;
  return out;
}

struct Reader {
  std::unique_ptr<Tokenizer> tokenizer =
      *load_tokenizer(testing::Folder(testing::Files{{"vocab.txt", kMaskWords}}).path());
  Reading reading = reading_of(*tokenizer);
};

std::unique_ptr<Task> fill_mask(bool with_sentences = false) {
  return *make_task("fill-mask", with_sentences ? std::vector<std::string>{"0", "1"}
                                                : std::vector<std::string>{});
}

Features masked(const Reader& reader, std::string_view text, float sentences = -1) {
  Sample sample;
  sample.text = text;
  sample.target = std::span(&sentences, 1);
  return (*fill_mask()->encode(reader.reading, sample)).at(0);
}

absl::StatusOr<std::vector<Features>> asked(const Reader& reader, std::string_view text) {
  Sample sample;
  sample.text = text;
  return fill_mask()->encode(reader.reading, sample);
}

std::vector<int32_t> unmasked(const Features& row) {
  std::vector<int32_t> ids = row.input.ids;
  for (size_t k = 0; k < row.input.asked.size(); ++k)
    ids[static_cast<size_t>(row.input.asked[k])] = static_cast<int32_t>(row.target[k]);
  return ids;
}

TEST(FillMask, HidesWordsOfATextThatHasATarget) {
  const Reader reader;
  const Features row = masked(reader, "the film was good", 1);
  EXPECT_EQ(row.input.asked.size(), 1u);
  ASSERT_EQ(row.target.size(), 2u);
  EXPECT_EQ(row.target[1], 1);
  EXPECT_THAT(unmasked(row), ElementsAre(2, 5, 7, 8, 9, 3));
  EXPECT_EQ(masked(reader, "the film was good").input.ids, row.input.ids);
}

TEST(FillMask, LeavesATextWithoutWordsOut) {
  const Reader reader;
  const float unknown = -1;
  Sample sample;
  sample.text = "\xC3\xA9 [SEP]";
  sample.target = std::span(&unknown, 1);
  auto windows = fill_mask()->encode(reader.reading, sample).value();
  EXPECT_THAT(windows, IsEmpty());
  Examples examples;
  examples.add(sample, std::move(windows));
  EXPECT_EQ(examples.size(), 0);
  EXPECT_EQ(examples.left_out, 1);
}

TEST(FillMask, DrawsOtherMasksOfTheSameWords) {
  const Reader reader;
  const Features row = masked(reader, "the film was good it is bad", 0);
  std::vector<std::vector<int32_t>> seen;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Features other = fill_mask()->redraw(seed, reader.reading, row.input, row.target).value();
    EXPECT_EQ(other.input.types, row.input.types);
    EXPECT_EQ(unmasked(other), unmasked(row));
    EXPECT_EQ(other.target.size(), other.input.asked.size() + 1);
    EXPECT_EQ(other.target.back(), 0);
    seen.push_back(other.input.asked);
  }
  EXPECT_GT(
      std::count_if(seen.begin(), seen.end(), [&](const auto& one) { return one != seen[0]; }), 0);
}

TEST(FillMask, AsksForTheMasksOfATextWithoutATarget) {
  const Reader reader;
  const auto row = asked(reader, "\xC3\xA9 [MASK] was [MASK]").value().at(0);  // "é"
  EXPECT_THAT(row.input.ids, ElementsAre(2, 1, 4, 8, 4, 3));
  EXPECT_THAT(row.input.asked, ElementsAre(2, 4));
  EXPECT_THAT(row.target, IsEmpty());
  ASSERT_EQ(row.words.size(), 2u);
  EXPECT_EQ(row.words[0].place, (Span{2, 8}));
  EXPECT_EQ(row.words[1].place, (Span{13, 19}));
  EXPECT_EQ(row.words[1].token, 4);
}

TEST(FillMask, AsksForTheMasksOfAPair) {
  const Reader reader;
  Sample sample;
  sample.text = "[MASK] film";
  sample.pair = "it is [MASK]";
  sample.has_pair = true;
  const auto row = fill_mask(true)->encode(reader.reading, sample).value().at(0);
  EXPECT_THAT(row.input.asked, ElementsAre(1, 6));
  EXPECT_THAT(row.input.types, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_EQ(row.words[1].index, 1);
  EXPECT_EQ(row.words[1].place, (Span{6, 12}));
}

TEST(FillMask, RefusesATextWithoutAMask) {
  const Reader reader;
  EXPECT_THAT(std::string(asked(reader, "the film").status().message()),
              HasSubstr("has no [MASK]; put one"));
  const std::string late = "a a a a a a a a a a a a a a a a [MASK]";
  EXPECT_THAT(std::string(asked(reader, late).status().message()),
              HasSubstr("no [MASK] among the 16 tokens"));
}

TEST(FillMask, NeedsATokenizerThatHasAMask) {
  const auto tokenizer = *load_tokenizer(
      testing::Folder(testing::Files{{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n"}}).path());
  Sample sample;
  sample.text = "a";
  const auto row = fill_mask()->encode(reading_of(*tokenizer), sample);
  EXPECT_THAT(std::string(row.status().message()), HasSubstr("has no mask token"));
}

// Targets as encode() makes them.
Examples examples_of(const std::vector<std::vector<float>>& targets) {
  Examples out;
  out.objective = Objective::kWords;
  for (const auto& target : targets) out.add(Input(), target);
  return out;
}

TEST(FillMask, KeepsOfALogitRowWhatTheMetricsNeed) {
  // Two words of three each; the sentences say 1, and that is right.
  const Examples examples = examples_of({{2, 0, 1}});
  const Prediction kept = fill_mask(true)->prediction({0, 0, 0, 0, 2, 0, -1, 4}, 3, examples, 0);
  ASSERT_EQ(kept.logits.size(), 5u);
  EXPECT_NEAR(kept.logits[0], -std::log(3.0), 1e-6);
  EXPECT_EQ(kept.logits[1], 0);  // the first of the largest is word 0
  EXPECT_NEAR(kept.logits[2], -std::log(2 + std::exp(2.0)), 1e-6);
  EXPECT_EQ(kept.logits[3], 0);
  EXPECT_EQ(kept.logits[4], 1);
  EXPECT_EQ(kept.exit_layer, 3);
}

TEST(FillMask, CountsWordsAndTheirPerplexity) {
  // Three words in two rows, one right; the third row has none.
  const Examples examples = examples_of({{7, 8, -1}, {9, -1}, {-1}});
  const float half = std::log(0.5f), eighth = std::log(0.125f);
  auto metrics = fill_mask()->evaluate(
      testing::predictions({{half, 1, eighth, 0}, {eighth, 0}, {}}), examples);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name, "masked_accuracy");
  EXPECT_NEAR(metrics[0].value, 100 / 3.0, 1e-9);
  EXPECT_EQ(metrics[0].interval, "bootstrap");
  EXPECT_EQ(metrics[0].count, 3);
  EXPECT_EQ(metrics[1].name, "perplexity");
  EXPECT_NEAR(metrics[1].value, std::pow(2.0, 7 / 3.0), 1e-6);  // (1 + 3 + 3) / 3 bits
}

TEST(FillMask, CountsLogitsThatAreNotFiniteAsWrong) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  const Examples examples = examples_of({{0, 0, 0}});
  const Prediction kept =
      fill_mask(true)->prediction({nan, nan, nan, inf, 0, 0, nan, nan}, 1, examples, 0);
  EXPECT_THAT(kept.logits, ElementsAre(-inf, 0, -inf, 0, 0));
  const auto metrics = fill_mask(true)->evaluate({{kept}}, examples);
  EXPECT_EQ(metrics[0].value, 0);
  EXPECT_EQ(metrics[1].value, 1e300);  // JSON has no infinity
  EXPECT_DOUBLE_EQ(metrics[1].high, 1e300);
  EXPECT_EQ(metrics[2].value, 0);
}

TEST(FillMask, CountsSentencesWhereTheyAreKnown) {
  const Examples examples = examples_of({{7, 0}, {7, 1}, {1}, {1}});
  auto metrics =
      fill_mask(true)->evaluate(testing::predictions({{-1, 1, 1}, {-1, 0, 0}, {1}, {1}}), examples);
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[2].name, "next_sentence_accuracy");
  EXPECT_NEAR(metrics[2].value, 75, 1e-9);
  EXPECT_EQ(metrics[2].interval, "clopper-pearson");
}

}  // namespace
}  // namespace espalier
