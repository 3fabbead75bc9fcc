#include "server/serving/infer_response.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

using runtime::Answer;

// The rows of the request.
std::vector<RowAnswer> rows_of(const runtime::ModelInfo& info, std::span<const Answer> answers,
                               std::span<const ReadRow> read) {
  std::vector<RowAnswer> rows;
  for (const ReadRow& row : read) {
    rows.push_back(row_answer(info, answers.first(row.windows.size()), &row));
    answers = answers.subspan(row.windows.size());
  }
  while (!answers.empty()) {
    rows.push_back(row_answer(info, answers.first(1), nullptr));
    answers = answers.subspan(1);
  }
  return rows;
}

bool are_numbers(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

bool is_number(const Answer& answer) {
  return are_numbers(answer.logits) && are_numbers(answer.sentence_logits) &&
         std::all_of(answer.words.begin(), answer.words.end(), [](const auto& guesses) {
           return std::all_of(guesses.begin(), guesses.end(), [](const runtime::WordGuess& guess) {
             return std::isfinite(guess.score);
           });
         });
}

// Of a row: what its windows have in all.
size_t size_of(const RowAnswer& row, std::vector<float> Answer::*member) {
  size_t size = 0;
  for (const Answer& window : row.windows) size += (window.*member).size();
  return size;
}

// The longest row's.
size_t width_of(std::span<const RowAnswer> rows, std::vector<float> Answer::*member) {
  size_t width = 0;
  for (const RowAnswer& row : rows) width = std::max(width, size_of(row, member));
  return width;
}

std::string gather_wide(std::span<const RowAnswer> rows, std::vector<float> Answer::*member) {
  const size_t width = width_of(rows, member);
  std::vector<float> values;
  values.reserve(rows.size() * width);
  for (const RowAnswer& row : rows) {
    for (const Answer& window : row.windows)
      values.insert(values.end(), (window.*member).begin(), (window.*member).end());
    values.resize(values.size() + width - size_of(row, member));
  }
  return raw_bytes(values);
}

template <class T, class Of>
std::string gather(std::span<const RowAnswer> rows, const Of& of) {
  std::vector<T> values;
  for (const RowAnswer& row : rows) values.push_back(of(row));
  return raw_bytes(std::span<const T>(values));
}

// The deepest of a row's windows.
int32_t exit_layer_of(const RowAnswer& row) {
  int32_t deepest = 0;
  for (const Answer& window : row.windows) deepest = std::max(deepest, window.exit_layer);
  return deepest;
}

using Text = std::string (*)(const runtime::ModelInfo&, const RowAnswer&);

std::string gather_texts(const runtime::ModelInfo& info, std::span<const RowAnswer> rows,
                         Text text) {
  std::vector<std::string> texts;
  for (const RowAnswer& row : rows) texts.push_back(text(info, row));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return raw_bytes(views);
}

std::string contents(Output output, const runtime::ModelInfo& info,
                     std::span<const RowAnswer> rows) {
  switch (output) {
    case Output::kLogits:
      return gather_wide(rows, &Answer::logits);
    case Output::kProbabilities:
      return gather_wide(rows, &Answer::probabilities);
    case Output::kLabel:
      return gather_texts(info, rows, label_text);
    case Output::kExitLayer:
      return gather<int32_t>(rows, exit_layer_of);
    case Output::kConfidence:
      return gather<float>(rows, [&](const RowAnswer& row) { return confidence_of(info, row); });
    case Output::kAnswer:
      return gather_texts(info, rows, answer_json);
  }
  return {};
}

}  // namespace

absl::Status check_answers(std::span<const Answer> answers, std::span<const ReadRow> read) {
  for (size_t row = 0; !answers.empty(); ++row) {
    const size_t windows = row < read.size() ? read[row].windows.size() : 1;
    for (const Answer& answer : answers.first(windows)) {
      if (is_number(answer)) continue;
      return absl::InternalError(
          absl::StrCat("row ", row,
                       ": the model's logits are no finite numbers, so there is no answer; its "
                       "weights or this input drive it out of range"));
    }
    answers = answers.subspan(windows);
  }
  return absl::OkStatus();
}

void fill_response(const ModelCard& card, std::span<const Output> outputs,
                   std::span<const Answer> answers, bool truncated,
                   inference::ModelInferResponse* response, std::span<const ReadRow> read) {
  response->set_model_name(card.name);
  response->set_model_version(card.version);
  (*response->mutable_parameters())["truncated"].set_bool_param(truncated);
  const std::vector<RowAnswer> rows = rows_of(card.info, answers, read);
  const auto width = static_cast<int64_t>(width_of(rows, &Answer::logits));
  // Where a row has several lines of logits, the length of one.
  const std::vector<int64_t> sizes = sizes_of_row(card.info);
  const int64_t line = sizes.size() > 1 ? sizes.back() : 0;
  for (Output output : outputs) {
    const TensorSpec& spec = output_specs()[static_cast<size_t>(output)];
    auto* tensor = response->add_outputs();
    tensor->set_name(spec.name);
    tensor->set_datatype(spec.datatype);
    tensor->add_shape(static_cast<int64_t>(rows.size()));
    if (spec.wide && line > 0) tensor->add_shape(width / line);
    if (spec.wide) tensor->add_shape(line > 0 ? line : width);
    response->add_raw_output_contents(contents(output, card.info, rows));
  }
}

}  // namespace espalier::server
