#include "core/task/token_classification.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "core/task/entity_metrics.h"
#include "core/task/resample_statistics.h"
#include "core/text/utf8.h"

namespace espalier {
namespace {

// Given words stand as if joined by single spaces.
std::vector<PlacedWord> placed_words(const Sample& sample) {
  if (sample.words.empty()) return words_of(sample.text);
  std::vector<PlacedWord> out;
  int32_t begin = 0;
  for (const std::string& word : sample.words) {
    const int32_t end = begin + count_characters(word);
    out.push_back({word, {begin, end}});
    begin = end + 1;
  }
  return out;
}

// What the metrics need of one example.
struct Tagged {
  std::vector<std::string_view> truth, said;
  int64_t right = 0;
};

Tagged tagged(const Prediction& prediction, std::span<const float> target,
              const std::vector<std::string>& labels) {
  Tagged out;
  const size_t classes = prediction.logits.size() / target.size();
  for (size_t token = 0; token < target.size(); ++token) {
    if (target[token] == TokenClassification::kNoClass) continue;
    const auto is = static_cast<size_t>(target[token]);
    const auto said = static_cast<size_t>(
        largest(std::span(prediction.logits).subspan(token * classes, classes)));
    out.right += is == said;
    if (is >= labels.size() || said >= labels.size()) continue;
    out.truth.push_back(labels[is]);
    out.said.push_back(labels[said]);
  }
  return out;
}

// The class of each token: a word's own at its first one.
std::vector<float> token_targets(const Features& features, std::span<const float> classes) {
  std::vector<float> out(features.input.ids.size(), TokenClassification::kNoClass);
  for (const Word& word : features.words)
    out[static_cast<size_t>(word.token)] = classes[static_cast<size_t>(word.index)];
  return out;
}

double entity_f1_of(std::span<const double> totals) {
  EntityCounts counts;
  counts.truth = static_cast<int64_t>(totals[0]);
  counts.predicted = static_cast<int64_t>(totals[1]);
  counts.both = static_cast<int64_t>(totals[2]);
  return entity_f1(counts);
}

double share_of_words(std::span<const double> totals) {
  return totals[1] > 0 ? totals[0] / totals[1] : 0;
}

}  // namespace

std::vector<PlacedWord> words_of(std::string_view text) {
  std::vector<PlacedWord> out;
  const auto length = static_cast<int32_t>(text.size());
  bool inside = false;
  int32_t from = 0;  // byte where the word begins
  for (int32_t at = 0, place = 0; at < length; ++place) {
    const int32_t before = at;
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(text.data(), at, length, c);
    if (u_isUWhiteSpace(c)) {
      inside = false;
      continue;
    }
    if (!inside) {
      from = before;
      out.push_back({{}, {place, place}});
    }
    inside = true;
    out.back().text = text.substr(static_cast<size_t>(from), static_cast<size_t>(at - from));
    out.back().place.end = place + 1;
  }
  return out;
}

absl::StatusOr<std::vector<Features>> TokenClassification::features_of(const Reading& reading,
                                                                       const Sample& sample) const {
  const Tokenizer& tokenizer = *reading.tokenizer;
  const std::vector<PlacedWord> placed = placed_words(sample);
  const auto room =
      static_cast<size_t>(std::max(0, reading.max_length - tokenizer.added_tokens(false)));
  std::vector<int32_t> ids;
  Features out;
  bool truncated = false;
  for (size_t w = 0; w < placed.size() && !truncated; ++w) {
    const std::vector<int32_t> pieces = tokenizer.tokenize_word(placed[w].text);
    // A word of no token (a control character) cannot be asked for.
    if (!pieces.empty() && ids.size() < room)
      out.words.push_back({static_cast<int32_t>(w), static_cast<int32_t>(ids.size()),
                           placed[w].place, placed[w].text});
    const size_t fits = std::min(pieces.size(), room - ids.size());
    ids.insert(ids.end(), pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(fits));
    truncated = fits < pieces.size();
  }
  Encoding text = tokenizer.join(ids, {}, false);
  out.input.ids = std::move(text.ids);
  out.input.types = std::move(text.types);
  out.truncated = truncated;
  for (Word& word : out.words) word.token += text.first_begin;
  if (!sample.target.empty()) out.target = token_targets(out, sample.target);
  return std::vector<Features>{std::move(out)};
}

Task::Scores TokenClassification::scores(std::span<const Prediction> predictions,
                                         const Examples& examples) const {
  std::vector<double> entities, words;  // [examples, 3] and [examples, 2]
  Scores out;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto target = examples.targets[static_cast<int64_t>(i)];
    if (target.empty()) continue;
    const Tagged row = tagged(predictions[i], target, labels());
    const EntityCounts counts = count_entities(row.truth, row.said, EntityScheme::kLenient);
    for (const int64_t count : {counts.truth, counts.predicted, counts.both})
      entities.push_back(static_cast<double>(count));
    words.push_back(static_cast<double>(row.right));
    words.push_back(static_cast<double>(
        std::count_if(target.begin(), target.end(), [](float c) { return c != kNoClass; })));
    ++out.examples;
  }
  if (mark_entities(labels()))
    out.list.push_back({"entity_f1", totals_statistic(std::move(entities), 3, entity_f1_of)});
  out.list.push_back({"token_accuracy", totals_statistic(std::move(words), 2, share_of_words)});
  return out;
}

}  // namespace espalier
