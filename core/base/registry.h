// A registry is a list written in one function, read from top to bottom; no self-registration,
// because linkers drop what nobody names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/options.h"

namespace espalier {

template <class T>
struct RegistryEntry {
  std::string name;
  std::string summary;  // one sentence
  std::string source;   // the paper
  // Reads options into a fresh object; also called without values, for the schema alone.
  std::function<std::unique_ptr<T>(OptionReader&)> make;
};

// One entry of a class with a nested `Options` that has read(OptionReader&).
template <class T, class Class>
RegistryEntry<T> entry(std::string name, std::string summary, std::string source) {
  return {std::move(name), std::move(summary), std::move(source), [](OptionReader& reader) {
            typename Class::Options options;
            options.read(reader);
            return std::unique_ptr<T>(std::make_unique<Class>(options));
          }};
}

template <class T>
class Registry {
 public:
  Registry(std::string kind, std::vector<RegistryEntry<T>> entries)
      : kind_(std::move(kind)), entries_(std::move(entries)) {}

  const std::string& kind() const { return kind_; }
  const std::vector<RegistryEntry<T>>& entries() const { return entries_; }

  // INVALID_ARGUMENT names the known ones: unknown pruner "cofl"; known: magnitude, taylor.
  absl::StatusOr<std::unique_ptr<T>> make(const std::string& name, const Json& options) const {
    for (const auto& entry : entries_) {
      if (entry.name != name) continue;
      OptionReader reader(name, options);
      auto made = entry.make(reader);
      if (auto status = reader.finish(); !status.ok()) return status;
      return made;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown ", kind_, " \"", name, "\"; known: ",
        absl::StrJoin(entries_, ", ", [](std::string* out, const RegistryEntry<T>& entry) {
          out->append(entry.name);
        })));
  }

 private:
  std::string kind_;
  std::vector<RegistryEntry<T>> entries_;
};

}  // namespace espalier
