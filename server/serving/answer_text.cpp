#include "server/serving/answer_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/options.h"

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
    case Objective::kClass:
      break;
  }
  return {{"label", label_name(info, answer.label)}, {"score", answer.confidence}};
}

}  // namespace

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
    case Objective::kClass:
      break;
  }
  return label_name(info, answer.label);
}

std::string answer_json(const ModelInfo& info, const RowAnswer& row) {
  return json_of(info, row).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace espalier::server
