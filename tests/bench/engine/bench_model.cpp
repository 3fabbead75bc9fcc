#include "tests/bench/engine/bench_model.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/artifact/as_stored.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"

namespace espalier::bench {

int main_of(const std::string& program, std::span<char* const> arguments,
            absl::Status (*run)(const std::string& folder, std::span<char* const> words)) {
  if (arguments.size() < 2) {
    std::cerr << "usage: " << program << " MODEL [key=value ...]\n";
    return 2;
  }
  const absl::Status status = run(arguments[1], arguments.subspan(2));
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}

absl::StatusOr<Settings> read_settings(std::span<char* const> words, Settings defaults) {
  for (const std::string word : words) {
    const size_t equals = word.find('=');
    const auto found = defaults.find(word.substr(0, equals));
    if (equals == std::string::npos || found == defaults.end()) {
      const auto name = [](std::string* out, const auto& setting) { *out += setting.first + "="; };
      return absl::InvalidArgumentError(
          absl::StrCat("unknown setting ", word, "; known: ", absl::StrJoin(defaults, ", ", name)));
    }
    found->second = word.substr(equals + 1);
  }
  return defaults;
}

absl::StatusOr<Precision> read_precision(const std::string& name) {
  if (const auto found = precision_named(name)) return *found;
  return absl::InvalidArgumentError(
      absl::StrCat("unknown precision ", name, "; known: ", known_precisions()));
}

absl::StatusOr<Model> load_served(const std::string& folder, Precision precision) {
  ESPALIER_ASSIGN_OR_RETURN(Model model, load_hugging_face(folder));
  if (!model.classifier.defined()) model.reset_classifier(2, /*seed=*/1);
  return as_stored(model, precision);
}

Batch batch_of(const Json& rows) {
  std::vector<Input> inputs;
  for (const Json& row : rows) {
    Input& input = inputs.emplace_back();
    input.ids = row.get<std::vector<int32_t>>();
    input.types.assign(input.ids.size(), 0);
  }
  return pack(std::vector<InputView>(inputs.begin(), inputs.end()));
}

}  // namespace espalier::bench
