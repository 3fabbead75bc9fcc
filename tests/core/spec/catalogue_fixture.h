// A catalogue with the methods that recipe "auto" picks, written as the build writes it.
#pragma once

#include "core/spec/catalogue.h"

namespace espalier::testing {

inline Catalogue sample_catalogue() {
  OptionReader taylor, plain;
  double share = 0.5;
  int64_t every = 10;
  bool soft = true;
  std::string scope = "global";
  taylor.number("share", share, 0, 1, "Share.");
  taylor.integer("every", every, 1, std::numeric_limits<int64_t>::max(), "Steps.");
  taylor.boolean("soft", soft, "Soft.");
  taylor.string("scope", scope, {"global", "layer"}, "Scope.");
  Json methods = Json::array();
  auto add = [&](const char* kind, const char* name, const Json& schema) {
    methods.push_back({{"kind", kind},
                       {"name", name},
                       {"summary", "s"},
                       {"source", "p"},
                       {"digest", schema_digest(schema)},
                       {"options", schema}});
  };
  add("pruner", "magnitude", plain.schema());
  add("pruner", "taylor", taylor.schema());
  add("distiller", "soft_labels", plain.schema());
  add("distiller", "layer_match", plain.schema());
  add("exit", "deebert", plain.schema());
  // Through text, as in life.
  return *Catalogue::read(Json::parse(Json{{"methods", methods}}.dump()));
}

}  // namespace espalier::testing
