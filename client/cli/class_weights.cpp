#include "client/cli/class_weights.h"

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/exit_code.h"
#include "client/cli/table.h"

namespace espalier::cli {

absl::StatusOr<v1::Dataset::ClassWeights> parse_class_weights(const std::string& text) {
  v1::Dataset::ClassWeights out;
  if (text == "balanced") {
    out.set_balanced(true);
    return out;
  }
  auto& weights = *out.mutable_weights();
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const auto equals = part.rfind('=');  // a label may hold one, a number does not
    double weight = 0;
    if (equals == absl::string_view::npos || equals == 0 ||
        !absl::SimpleAtod(part.substr(equals + 1), &weight)) {
      return usage_error(absl::StrCat(
          "--class-weights: \"", part,
          "\" is not label=number; write balanced, or for example negative=1,positive=3"));
    }
    const std::string label(part.substr(0, equals));
    if (weights.contains(label))
      return usage_error(absl::StrCat("--class-weights names ", label, " twice"));
    weights[label] = weight;
  }
  return out;
}

std::string class_weights_text(const v1::Dataset::ClassWeights& weights) {
  if (weights.balanced()) return "balanced";
  // The proto's map has no order.
  std::map<std::string, std::string> sorted;
  for (const auto& [label, weight] : weights.weights()) sorted[label] = number_text(weight);
  return absl::StrJoin(sorted, ", ", absl::PairFormatter(" "));
}

}  // namespace espalier::cli
