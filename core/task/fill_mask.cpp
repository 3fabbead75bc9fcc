#include "core/task/fill_mask.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/task/language_metrics.h"
#include "core/task/masking.h"
#include "core/task/next_sentence.h"
#include "core/task/resample_statistics.h"

namespace espalier {
namespace {

// Evaluation's masks; training's steps have seeds of their own.
constexpr uint64_t kFixedMasks = 0;
// JSON knows no infinity; below the largest double, so that an interval's ends do not overflow.
constexpr double kMostPerplexity = 1e300;

MaskVocabulary vocabulary_of(const Reading& reading) {
  return mask_vocabulary(*reading.tokenizer, reading.config != nullptr
                                                 ? reading.config->vocabulary
                                                 : std::numeric_limits<int32_t>::max());
}

// Nothing where there is no word to ask for.
std::vector<Features> masked_text(const Reading& reading, const MaskVocabulary& vocabulary,
                                  const Sample& sample) {
  Encoding text =
      reading.tokenizer->encode(sample.text, sample.pair, sample.has_pair, reading.max_length);
  Masked masked = draw_masks(text.ids, vocabulary, kFixedMasks);
  if (masked.asked.empty()) return {};
  Features out;
  out.truncated = text.truncated;
  out.input.ids = std::move(masked.ids);
  out.input.types = std::move(text.types);
  out.input.asked = std::move(masked.asked);
  out.target.assign(masked.words.begin(), masked.words.end());
  out.target.push_back(sample.target[0]);
  return {std::move(out)};
}

// The mask tokens among the first `count` tokens of a text, which begins at the token `begin`.
void add_masks(std::span<const int32_t> ids, const std::vector<Span>& places, size_t count,
               int32_t mask, int32_t begin, int32_t index, std::vector<Word>& out) {
  for (size_t i = 0; i < count; ++i) {
    if (ids[i] == mask) out.push_back({index, begin + static_cast<int32_t>(i), places[i], {}});
  }
}

absl::StatusOr<Features> text_with_masks(const Reading& reading, int32_t mask,
                                         const Sample& sample) {
  const Tokenizer& tokenizer = *reading.tokenizer;
  std::vector<Span> places, pair_places;
  const std::vector<int32_t> text = tokenizer.tokenize(sample.text, &places);
  std::vector<int32_t> pair;
  if (sample.has_pair) pair = tokenizer.tokenize(sample.pair, &pair_places);
  const int added = tokenizer.added_tokens(sample.has_pair);
  const auto [first, second] = truncate_longest_first(
      text.size(), pair.size(), static_cast<size_t>(std::max(reading.max_length - added, 0)));
  Encoding joined =
      tokenizer.join(std::span(text).first(first), std::span(pair).first(second), sample.has_pair);
  Features out;
  add_masks(text, places, first, mask, joined.first_begin, 0, out.words);
  add_masks(pair, pair_places, second, mask, joined.second_begin, 1, out.words);
  out.truncated = first < text.size() || second < pair.size();
  if (out.words.empty()) {
    const std::string name = tokenizer.written(mask);
    return absl::InvalidArgumentError(
        out.truncated
            ? absl::StrCat("the text has no ", name, " among the ", reading.max_length,
                           " tokens that the model reads; shorten what stands before it")
            : absl::StrCat("the text has no ", name, "; put one where a word is asked for"));
  }
  std::sort(out.words.begin(), out.words.end(),
            [](const Word& a, const Word& b) { return a.token < b.token; });
  for (const Word& word : out.words) out.input.asked.push_back(word.token);
  out.input.ids = std::move(joined.ids);
  out.input.types = std::move(joined.types);
  return out;
}

double log_probability(std::span<const float> logits, size_t word) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return logits[word] - most - std::log(sum);
}

double share_of_asked(std::span<const double> totals) {
  return totals[1] > 0 ? totals[0] / totals[1] : 0;
}
double perplexity_of(std::span<const double> totals) {
  return std::min(perplexity(totals[0], static_cast<int64_t>(totals[1])), kMostPerplexity);
}

}  // namespace

absl::StatusOr<std::vector<Features>> FillMask::features_of(const Reading& reading,
                                                            const Sample& sample) const {
  const MaskVocabulary vocabulary = vocabulary_of(reading);
  if (vocabulary.mask < 0) {
    return absl::InvalidArgumentError(absl::StrCat("the tokenizer has no mask token, which ",
                                                   name(),
                                                   " hides words with; name it as "
                                                   "mask_token in tokenizer_config.json"));
  }
  if (!sample.target.empty()) return masked_text(reading, vocabulary, sample);
  ESPALIER_ASSIGN_OR_RETURN(Features out, text_with_masks(reading, vocabulary.mask, sample));
  return std::vector<Features>{std::move(out)};
}

void FillMask::redraw(uint64_t seed, const Reading& reading, Input& input,
                      std::vector<float>& target) const {
  for (size_t k = 0; k < input.asked.size(); ++k)
    input.ids[static_cast<size_t>(input.asked[k])] = static_cast<int32_t>(target[k]);
  Masked masked = draw_masks(input.ids, vocabulary_of(reading), seed);
  const float sentences = target.back();
  input.ids = std::move(masked.ids);
  input.asked = std::move(masked.asked);
  target.assign(masked.words.begin(), masked.words.end());
  target.push_back(sentences);
}

Prediction FillMask::prediction(std::vector<float> logits, int exit_layer, const Examples& examples,
                                int64_t i) const {
  Prediction out;
  out.exit_layer = exit_layer;
  const auto target = examples.targets[i];
  if (target.empty()) return out;
  const size_t asked = target.size() - 1, sentences = has_sentences() ? 2 : 0;
  const size_t words = asked == 0 ? 0 : (logits.size() - sentences) / asked;
  const std::span<const float> all(logits);
  for (size_t k = 0; k < asked; ++k) {
    const auto row = all.subspan(k * words, words);
    const auto truth = static_cast<size_t>(target[k]);
    const double likely = log_probability(row, truth);
    const bool is_number = std::isfinite(likely);
    out.logits.push_back(is_number ? static_cast<float>(likely)
                                   : -std::numeric_limits<float>::infinity());
    out.logits.push_back(is_number && static_cast<size_t>(largest(row)) == truth ? 1 : 0);
  }
  if (sentences > 0 && target.back() >= 0) {
    const auto row = all.last(sentences);
    const auto truth = static_cast<size_t>(target.back());
    const bool is_number = std::isfinite(log_probability(row, truth));
    out.logits.push_back(is_number && static_cast<size_t>(largest(row)) == truth ? 1 : 0);
  }
  return out;
}

Task::Scores FillMask::scores(std::span<const Prediction> predictions,
                              const Examples& examples) const {
  std::vector<double> right, losses;  // [examples, 2] each: the sum, and of how many words
  std::vector<double> sentences;
  Scores out;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto target = examples.targets[static_cast<int64_t>(i)];
    if (target.empty()) continue;
    const std::vector<float>& kept = predictions[i].logits;
    const size_t asked = target.size() - 1;
    double words_right = 0, loss = 0;
    for (size_t k = 0; k < asked; ++k) {
      loss -= kept[2 * k];
      words_right += kept[2 * k + 1];
    }
    right.insert(right.end(), {words_right, static_cast<double>(asked)});
    losses.insert(losses.end(), {loss, static_cast<double>(asked)});
    if (kept.size() > 2 * asked) sentences.push_back(kept.back());
    ++out.examples;
  }
  const bool known = out.examples > 0 && sentences.size() == static_cast<size_t>(out.examples);
  out.list.push_back({"masked_accuracy", totals_statistic(std::move(right), 2, share_of_asked)});
  out.list.push_back({"perplexity", totals_statistic(std::move(losses), 2, perplexity_of),
                      Score::Kind::kOther, 1});
  // A split has all of them or none.
  if (known)
    out.list.push_back(
        {"next_sentence_accuracy", mean_statistic(std::move(sentences)), Score::Kind::kShare});
  return out;
}

}  // namespace espalier
