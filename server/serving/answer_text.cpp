#include "server/serving/answer_text.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/options.h"
#include "core/task/question_answering.h"
#include "core/text/utf8.h"

namespace espalier::server {
namespace {

using runtime::Answer;
using runtime::ModelInfo;

// A tag and the probability of it.
Json tag_of(const ModelInfo& info, const Answer& answer, size_t token) {
  const int label = answer.labels.at(token);
  const size_t classes = answer.probabilities.size() / answer.labels.size();
  return {{"tag", label_name(info, label)},
          {"score", answer.probabilities.at(token * classes + static_cast<size_t>(label))}};
}

Json tags_of(const ModelInfo& info, const Answer& answer, const std::vector<Word>* words) {
  Json tags = Json::array();
  for (size_t w = 0; words != nullptr && w < words->size(); ++w) {
    const Word& word = (*words)[w];
    Json tag = tag_of(info, answer, static_cast<size_t>(word.token));
    tag["word"] = word.text;
    tag["begin"] = word.place.begin;
    tag["end"] = word.place.end;
    tags.push_back(std::move(tag));
  }
  for (size_t token = 0; words == nullptr && token < answer.labels.size(); ++token) {
    Json tag = tag_of(info, answer, token);
    tag["token"] = token;
    tags.push_back(std::move(tag));
  }
  return tags;
}

// Of the words of a text; null for ids.
const std::vector<Word>* words_of(const RowAnswer& row) {
  return row.read == nullptr ? nullptr : &row.read->windows.front().words;
}

Json masks_of(const Answer& answer, const std::vector<Word>* places) {
  Json masks = Json::array();
  for (size_t m = 0; m < answer.words.size(); ++m) {
    Json mask = {{"words", Json::array()}};
    for (const runtime::WordGuess& guess : answer.words[m])
      mask["words"].push_back({{"word", guess.text}, {"score", guess.score}});
    if (places != nullptr && m < places->size()) {
      const Word& place = (*places)[m];
      mask["begin"] = place.place.begin;
      mask["end"] = place.place.end;
      if (place.index > 0) mask["in"] = "text_pair";
    }
    masks.push_back(std::move(mask));
  }
  return masks;
}

Json words_json(const Answer& answer, const std::vector<Word>* places) {
  Json out = {{"masks", masks_of(answer, places)}};
  if (const std::vector<float>& follow = answer.sentence_logits; follow.size() == 2)
    out["follows"] = 1 / (1 + std::exp(follow[1] - follow[0]));
  return out;
}

// The best word for every mask. Byte-level words bring their space along.
std::string best_words(const Answer& answer) {
  std::vector<absl::string_view> best;
  for (const auto& guesses : answer.words)
    best.push_back(absl::StripAsciiWhitespace(guesses.at(0).text));
  return absl::StrJoin(best, " ");
}

// Over all windows of the question.
SpanAnswer span_of(const ModelInfo& info, std::span<const Answer> answers, const ReadRow& read) {
  std::vector<WindowLogits> windows;
  for (size_t w = 0; w < answers.size(); ++w)
    windows.push_back({answers[w].logits, read.windows[w].places});
  const auto answered = answer_windows(windows, info.label_names);
  return answered.ok() ? answered->best : SpanAnswer();
}

// Of a question.
std::string text_of(const RowAnswer& row) {
  const SpanAnswer& answer = row.span;
  if (answer.none()) return "";
  if (row.read->is_ids) return absl::StrCat(answer.span.begin, " ", answer.span.end - 1);
  // As the tokenizer reads it.
  const std::string context = repair_utf8(row.read->sample.pair);
  return std::string(code_points(context, answer.span));
}

Json span_json(const RowAnswer& row) {
  const SpanAnswer& answer = row.span;
  if (!row.read->is_ids) {
    return {{"answer", text_of(row)},
            {"begin", answer.span.begin},
            {"end", answer.span.end},
            {"score", answer.probability}};
  }
  const int32_t last = answer.none() ? 0 : answer.span.end - 1;
  return {{"first_token", answer.span.begin}, {"last_token", last}, {"score", answer.probability}};
}

Json json_of(const ModelInfo& info, const RowAnswer& row) {
  const Answer& answer = row.windows.front();
  switch (info.objective) {
    case Objective::kValue:
      return {{"value", answer.logits.at(0)}};
    case Objective::kLabels: {
      Json labels = Json::array();
      for (const int label : answer.labels) {
        labels.push_back({{"label", label_name(info, label)},
                          {"score", answer.probabilities.at(static_cast<size_t>(label))}});
      }
      return {{"labels", std::move(labels)}};
    }
    case Objective::kTokenClasses:
      return {{"tags", tags_of(info, answer, words_of(row))}};
    case Objective::kWords:
      return words_json(answer, words_of(row));
    case Objective::kSpan:
      return span_json(row);
    case Objective::kClass:
      break;
  }
  return {{"label", label_name(info, answer.label)}, {"score", answer.confidence}};
}

}  // namespace

RowAnswer row_answer(const ModelInfo& info, std::span<const Answer> windows, const ReadRow* read) {
  RowAnswer out{windows, read, {}};
  if (info.objective == Objective::kSpan) out.span = span_of(info, windows, *read);
  return out;
}

std::string label_name(const ModelInfo& info, int label) {
  const auto index = static_cast<size_t>(label);
  return index < info.label_names.size() ? info.label_names[index] : std::to_string(label);
}

std::string label_text(const ModelInfo& info, const RowAnswer& row) {
  const Answer& answer = row.windows.front();
  const std::vector<Word>* words = words_of(row);
  const auto name = [&](std::string* out, int label) { out->append(label_name(info, label)); };
  switch (info.objective) {
    case Objective::kValue:
      return absl::StrCat(answer.logits.at(0));
    case Objective::kLabels:
      return absl::StrJoin(answer.labels, "|", name);
    case Objective::kTokenClasses:
      if (words == nullptr) return absl::StrJoin(answer.labels, " ", name);
      return absl::StrJoin(*words, " ", [&](std::string* out, const Word& word) {
        name(out, answer.labels.at(static_cast<size_t>(word.token)));
      });
    case Objective::kWords:
      return best_words(answer);
    case Objective::kSpan:
      return text_of(row);
    case Objective::kClass:
      break;
  }
  return label_name(info, answer.label);
}

std::string answer_json(const ModelInfo& info, const RowAnswer& row) {
  return json_of(info, row).dump(-1, ' ', false, Json::error_handler_t::replace);
}

float confidence_of(const ModelInfo& info, const RowAnswer& row) {
  if (info.objective != Objective::kSpan) return row.windows.front().confidence;
  return static_cast<float>(row.span.probability);
}

}  // namespace espalier::server
