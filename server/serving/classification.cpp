#include "server/serving/classification.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

bool has_classes(Output output, const runtime::ModelInfo& info) {
  const bool numbers = output == Output::kLogits || output == Output::kProbabilities;
  return numbers && (info.objective == Objective::kClass || info.objective == Objective::kLabels);
}

std::string class_text(const std::vector<std::string>& labels, float value, size_t index) {
  std::string text = absl::StrCat(std::to_string(value), ":", index);
  if (index < labels.size()) absl::StrAppend(&text, ":", labels[index]);
  return text;
}

}  // namespace

absl::StatusOr<int> parse_classification(
    const inference::ModelInferRequest::InferRequestedOutputTensor& wanted, Output output,
    const runtime::ModelInfo& info) {
  int classes = 0;
  // Sorted, so that the same request is always refused for the same reason.
  const std::map<std::string, inference::InferParameter> sorted(wanted.parameters().begin(),
                                                                wanted.parameters().end());
  for (const auto& [key, value] : sorted) {
    const std::string which = absl::StrCat("output \"", wanted.name(), "\" ");
    if (absl::StartsWith(key, "shared_memory")) {
      return absl::UnimplementedError(absl::StrCat(
          which, "shall lie in shared memory, which this server does not offer; read the answer"));
    }
    if (key != "classification") {
      return absl::InvalidArgumentError(
          absl::StrCat(which, "has the parameter \"", key, "\"; it takes classification"));
    }
    const int64_t count = value.int64_param();
    if (!value.has_int64_param() || count < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(which, "has a parameter \"classification\" that is no int64 of at least 1"));
    }
    if (!has_classes(output, info)) {
      return absl::InvalidArgumentError(
          absl::StrCat(which, "of a model for ", info.task,
                       " has no classes to rank; ask for \"classification\" of logits or "
                       "probabilities of a model that classifies whole texts or images"));
    }
    classes = static_cast<int>(std::min<int64_t>(count, std::numeric_limits<int>::max()));
  }
  return classes;
}

void rank_classes(const std::vector<std::string>& labels, int classes,
                  inference::ModelInferResponse::InferOutputTensor* tensor, std::string* raw) {
  const auto width = static_cast<size_t>(tensor->shape(1));
  const auto most = std::min(static_cast<size_t>(classes), width);
  std::vector<float> values(raw->size() / sizeof(float));
  std::memcpy(values.data(), raw->data(), values.size() * sizeof(float));

  std::vector<std::string> texts;
  std::vector<size_t> order(width);
  for (size_t row = 0; row < values.size(); row += width) {
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return values[row + a] > values[row + b]; });
    for (size_t i = 0; i < most; ++i) {
      texts.push_back(class_text(labels, values[row + order[i]], order[i]));
    }
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  *raw = raw_bytes(views);
  tensor->set_datatype("BYTES");
  tensor->set_shape(1, static_cast<int64_t>(most));
}

}  // namespace espalier::server
