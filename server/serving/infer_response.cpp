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

using Words = std::span<const std::vector<Word>>;
using Text = std::string (*)(const runtime::ModelInfo&, const Answer&, const std::vector<Word>*);

std::string gather_texts(const runtime::ModelInfo& info, std::span<const Answer> answers,
                         Words words, Text text) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < answers.size(); ++i) {
    texts.push_back(text(info, answers[i], i < words.size() ? &words[i] : nullptr));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return raw_bytes(views);
}

std::string contents(Output output, const runtime::ModelInfo& info, std::span<const Answer> answers,
                     Words words) {
  switch (output) {
    case Output::kLogits:
      return gather_wide(answers, &Answer::logits);
    case Output::kProbabilities:
      return gather_wide(answers, &Answer::probabilities);
    case Output::kLabel:
      return gather_texts(info, answers, words, label_text);
    case Output::kExitLayer:
      return gather(answers, &Answer::exit_layer);
    case Output::kConfidence:
      return gather(answers, &Answer::confidence);
    case Output::kAnswer:
      return gather_texts(info, answers, words, answer_json);
  }
  return {};
}

}  // namespace

void fill_response(const ModelCard& card, std::span<const Output> outputs,
                   std::span<const Answer> answers, bool truncated,
                   inference::ModelInferResponse* response, Words words) {
  response->set_model_name(card.name);
  response->set_model_version(card.version);
  (*response->mutable_parameters())["truncated"].set_bool_param(truncated);
  const auto rows = static_cast<int64_t>(answers.size());
  const auto width = static_cast<int64_t>(width_of(answers, &Answer::logits));
  const auto names = static_cast<int64_t>(card.info.label_names.size());
  const bool tokens = card.info.objective == Objective::kTokenClasses && names > 0;
  for (Output output : outputs) {
    const TensorSpec& spec = output_specs()[static_cast<size_t>(output)];
    auto* tensor = response->add_outputs();
    tensor->set_name(spec.name);
    tensor->set_datatype(spec.datatype);
    tensor->add_shape(rows);
    if (spec.wide && tokens) tensor->add_shape(width / names);
    if (spec.wide) tensor->add_shape(tokens ? names : width);
    response->add_raw_output_contents(contents(output, card.info, answers, words));
  }
}

}  // namespace espalier::server
