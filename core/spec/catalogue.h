// The registries as data. Core's own program writes it at build time (`espalier-catalogue`), so
// that the control plane, which has no torch, can list methods and check options.
//
// {"methods": [{"kind": "pruner" | "distiller" | "exit", "name", "summary", "source", "digest",
//               "options": [{"name", "type", "default", "minimum"?, "maximum"?, "choices"?,
//               "description"}]}]}
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier {

struct CatalogueMethod {
  std::string kind, name, summary, source, digest;
  Json options;  // the schema list
};

class Catalogue {
 public:
  static absl::StatusOr<Catalogue> read(const Json& json);
  const std::vector<CatalogueMethod>& methods() const { return methods_; }
  // Checks a {name, options} and returns it with every default filled in and "digest" set. Errors
  // read like the registry's: unknown pruner "cofl"; known: magnitude, taylor.
  absl::StatusOr<Json> resolve(const std::string& kind, const Json& choice) const;

 private:
  std::vector<CatalogueMethod> methods_;
};

// SHA-256 of a schema list in its canonical dump: what job and worker compare.
std::string schema_digest(const Json& schema);

}  // namespace espalier
