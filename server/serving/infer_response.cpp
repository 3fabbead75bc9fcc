#include "server/serving/infer_response.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace espalier::server {
namespace {

using runtime::Answer;

// The longest row's.
size_t width_of(std::span<const Answer> answers, std::vector<float> Answer::*member) {
  size_t width = 0;
  for (const Answer& answer : answers) width = std::max(width, (answer.*member).size());
  return width;
}

std::string gather_wide(std::span<const Answer> answers, std::vector<float> Answer::*member) {
  const size_t width = width_of(answers, member);
  std::vector<float> values;
  for (const Answer& answer : answers) {
    values.insert(values.end(), (answer.*member).begin(), (answer.*member).end());
    values.resize(values.size() + width - (answer.*member).size());
  }
  return raw_bytes(values);
}

template <class T>
std::string gather(std::span<const Answer> answers, T Answer::*member) {
  std::vector<T> values(answers.size());
  std::transform(answers.begin(), answers.end(), values.begin(), std::mem_fn(member));
  return raw_bytes(std::span<const T>(values));
}

// The rows of the request.
std::vector<RowAnswer> rows_of(std::span<const Answer> answers, std::span<const ReadRow> read) {
  std::vector<RowAnswer> rows;
  for (const ReadRow& row : read) {
    rows.push_back({answers.first(row.windows.size()), &row});
    answers = answers.subspan(row.windows.size());
  }
  while (!answers.empty()) {
    rows.push_back({answers.first(1), nullptr});
    answers = answers.subspan(1);
  }
  return rows;
}

using Text = std::string (*)(const runtime::ModelInfo&, const RowAnswer&);

std::string gather_texts(const runtime::ModelInfo& info, std::span<const RowAnswer> rows,
                         Text text) {
  std::vector<std::string> texts;
  for (const RowAnswer& row : rows) texts.push_back(text(info, row));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return raw_bytes(views);
}

std::string contents(Output output, const runtime::ModelInfo& info, std::span<const Answer> answers,
                     std::span<const RowAnswer> rows) {
  switch (output) {
    case Output::kLogits:
      return gather_wide(answers, &Answer::logits);
    case Output::kProbabilities:
      return gather_wide(answers, &Answer::probabilities);
    case Output::kLabel:
      return gather_texts(info, rows, label_text);
    case Output::kExitLayer:
      return gather(answers, &Answer::exit_layer);
    case Output::kConfidence:
      return gather(answers, &Answer::confidence);
    case Output::kAnswer:
      return gather_texts(info, rows, answer_json);
  }
  return {};
}

}  // namespace

void fill_response(const ModelCard& card, std::span<const Output> outputs,
                   std::span<const Answer> answers, bool truncated,
                   inference::ModelInferResponse* response, std::span<const ReadRow> read) {
  response->set_model_name(card.name);
  response->set_model_version(card.version);
  (*response->mutable_parameters())["truncated"].set_bool_param(truncated);
  const std::vector<RowAnswer> rows = rows_of(answers, read);
  const auto width = static_cast<int64_t>(width_of(answers, &Answer::logits));
  const auto names = static_cast<int64_t>(card.info.label_names.size());
  const bool tokens = card.info.objective == Objective::kTokenClasses && names > 0;
  for (Output output : outputs) {
    const TensorSpec& spec = output_specs()[static_cast<size_t>(output)];
    auto* tensor = response->add_outputs();
    tensor->set_name(spec.name);
    tensor->set_datatype(spec.datatype);
    tensor->add_shape(static_cast<int64_t>(rows.size()));
    if (spec.wide && tokens) tensor->add_shape(width / names);
    if (spec.wide) tensor->add_shape(tokens ? names : width);
    response->add_raw_output_contents(contents(output, card.info, answers, rows));
  }
}

}  // namespace espalier::server
