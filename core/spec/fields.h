// Reads the fields of a JSON object one by one, for files whose shape is fixed (config.json,
// recipes, data sets). Nothing throws: the first thing that is wrong is remembered and returned by
// status(). An absent or null field leaves its variable as it was.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/options.h"

namespace espalier {

// What a number may be: "at least 0 and less than 1".
struct Range {
  double low, high;
  bool low_open = false, high_open = false;
  bool holds(double x) const;
  std::string text() const;
};

class Fields {
 public:
  // `where` stands before every name in messages: "finetune" gives "finetune.epochs is ...".
  explicit Fields(const Json& object, std::string where = "");

  // The field's value, or nullptr when it is absent or null.
  const Json* find(const std::string& name) const;
  // The same, and an empty object for none.
  const Json& child(const std::string& name) const;
  bool has(const std::string& name) const { return find(name) != nullptr; }
  // "finetune.epochs": the name that messages use.
  std::string path(const std::string& name) const;

  void number(const std::string& name, double& out, Range range);
  // Whole numbers; 3.0 counts as one, because protobuf's Struct knows doubles only.
  template <class T>
  void integer(const std::string& name, T& out, int64_t low, int64_t high) {
    if (auto value = whole(name, low, high)) out = static_cast<T>(*value);
  }
  void boolean(const std::string& name, bool& out);
  void string(const std::string& name, std::string& out);
  void strings(const std::string& name, std::vector<std::string>& out);
  void numbers(const std::string& name, std::vector<double>& out, Range range);

  void require(std::initializer_list<const char*> names);
  // Refuses every field that is not among `names`.
  void refuse_unknown(std::initializer_list<const char*> names);
  // Remembers a problem found by the caller.
  void fail(std::string message);
  void check(const absl::Status& status);

  const absl::Status& status() const { return status_; }

 private:
  std::optional<int64_t> whole(const std::string& name, int64_t low, int64_t high);

  const Json& object_;
  std::string where_;
  absl::Status status_;
};

// A value as messages show it: its JSON, cut to a line.
std::string shown(const Json& value);

}  // namespace espalier
