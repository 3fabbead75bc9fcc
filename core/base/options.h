// Options of a method: read from JSON and described as data by the same lines of code.
//
//   struct Options {
//     double patience = 6;
//     void read(OptionReader& r) { r.number("patience", patience, 1, 24, "Layers that must
//     agree."); }
//   };
//
// With an object the reader fills the fields, checks ranges and refuses unknown names; without one
// it only records the schema. So a default is written once, and help, catalogue and errors agree
// with it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace espalier {

using Json = nlohmann::json;

class OptionReader {
 public:
  // Describes only.
  OptionReader() = default;
  // Fills from `values`, a JSON object (null: all defaults). `owner` is named in errors.
  OptionReader(std::string owner, Json values);

  void number(const char* name, double& field, double minimum, double maximum,
              const char* sentence);
  void integer(const char* name, int64_t& field, int64_t minimum, int64_t maximum,
               const char* sentence);
  void boolean(const char* name, bool& field, const char* sentence);
  // `choices` empty: any string.
  void string(const char* name, std::string& field, std::vector<std::string> choices,
              const char* sentence);

  // OK, or the first thing wrong: "magnitude: option 'scpoe' is unknown; known: scope, schedule".
  absl::Status finish() const;
  // [{name, type, default, minimum?, maximum?, choices?, description}]
  const Json& schema() const { return schema_; }
  // Every option with the value it has now: the resolved options.
  const Json& resolved() const { return resolved_; }

 private:
  const Json* find(const char* name);
  void fail(std::string message);

  std::string owner_;
  Json values_;
  Json schema_ = Json::array();
  Json resolved_ = Json::object();
  std::optional<std::string> error_;
};

}  // namespace espalier
