#include "server/serving/infer_response.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace espalier::server {
namespace {

using runtime::Answer;

std::string gather_wide(std::span<const Answer> answers, std::vector<float> Answer::*member) {
  std::vector<float> values;
  for (const Answer& answer : answers) {
    values.insert(values.end(), (answer.*member).begin(), (answer.*member).end());
  }
  return raw_bytes(values);
}

template <class T>
std::string gather(std::span<const Answer> answers, T Answer::*member) {
  std::vector<T> values(answers.size());
  std::transform(answers.begin(), answers.end(), values.begin(), std::mem_fn(member));
  return raw_bytes(std::span<const T>(values));
}

std::string gather_labels(const runtime::ModelInfo& info, std::span<const Answer> answers) {
  std::vector<std::string> names;
  for (const Answer& answer : answers) names.push_back(label_name(info, answer.label));
  const std::vector<std::string_view> views(names.begin(), names.end());
  return raw_bytes(views);
}

std::string contents(Output output, const runtime::ModelInfo& info,
                     std::span<const Answer> answers) {
  switch (output) {
    case Output::kLogits:
      return gather_wide(answers, &Answer::logits);
    case Output::kProbabilities:
      return gather_wide(answers, &Answer::probabilities);
    case Output::kLabel:
      return gather_labels(info, answers);
    case Output::kExitLayer:
      return gather(answers, &Answer::exit_layer);
    case Output::kConfidence:
      return gather(answers, &Answer::confidence);
  }
  return {};
}

}  // namespace

void fill_response(const ModelCard& card, std::span<const Output> outputs,
                   std::span<const Answer> answers, bool truncated,
                   inference::ModelInferResponse* response) {
  response->set_model_name(card.name);
  response->set_model_version(card.version);
  (*response->mutable_parameters())["truncated"].set_bool_param(truncated);
  const auto rows = static_cast<int64_t>(answers.size());
  const int64_t classes = answers.empty() ? 0 : static_cast<int64_t>(answers[0].logits.size());
  for (Output output : outputs) {
    const TensorSpec& spec = output_specs()[static_cast<size_t>(output)];
    auto* tensor = response->add_outputs();
    tensor->set_name(spec.name);
    tensor->set_datatype(spec.datatype);
    tensor->add_shape(rows);
    if (spec.wide) tensor->add_shape(classes);
    response->add_raw_output_contents(contents(output, card.info, answers));
  }
}

std::string label_name(const runtime::ModelInfo& info, int label) {
  const auto index = static_cast<size_t>(label);
  return index < info.label_names.size() ? info.label_names[index] : std::to_string(label);
}

}  // namespace espalier::server
