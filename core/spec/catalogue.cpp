#include "core/spec/catalogue.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"

namespace espalier {
namespace {

// Options checked against a schema by the very reader that wrote it, so that both say the same
// words.
absl::StatusOr<Json> resolve_options(const std::string& owner, const Json& schema,
                                     const Json& values) {
  OptionReader reader(owner, values);
  for (const Json& option : schema) {
    const std::string name = option.at("name"), type = option.at("type"),
                      sentence = option.at("description");
    const Json& fallback = option.at("default");
    if (type == "number") {
      double field = fallback;
      reader.number(
          name.c_str(), field, option.value("minimum", -std::numeric_limits<double>::infinity()),
          option.value("maximum", std::numeric_limits<double>::infinity()), sentence.c_str());
    } else if (type == "integer") {
      int64_t field = fallback;
      reader.integer(
          name.c_str(), field, option.value("minimum", std::numeric_limits<int64_t>::min()),
          option.value("maximum", std::numeric_limits<int64_t>::max()), sentence.c_str());
    } else if (type == "boolean") {
      bool field = fallback;
      reader.boolean(name.c_str(), field, sentence.c_str());
    } else if (type == "string") {
      std::string field = fallback;
      reader.string(name.c_str(), field, option.value("choices", std::vector<std::string>{}),
                    sentence.c_str());
    } else {
      return absl::InternalError(absl::StrCat("the catalogue gives option ", name, " of ", owner,
                                              " the unknown type ", type));
    }
  }
  ESPALIER_RETURN_IF_ERROR(reader.finish());
  return reader.resolved();
}

}  // namespace

std::string schema_digest(const Json& schema) { return sha256_hex(schema.dump()); }

absl::StatusOr<Catalogue> Catalogue::read(const Json& json) {
  Fields top(json);
  top.require({"methods"});
  ESPALIER_RETURN_IF_ERROR(top.status());
  const Json& methods = *top.find("methods");
  if (!methods.is_array())
    return absl::InvalidArgumentError("methods of a catalogue must be a list");
  Catalogue out;
  for (size_t i = 0; i < methods.size(); ++i) {
    Fields fields(methods[i], absl::StrCat("methods[", i, "]"));
    CatalogueMethod method;
    fields.require({"kind", "name", "digest", "options"});
    fields.string("kind", method.kind);
    fields.string("name", method.name);
    fields.string("summary", method.summary);
    fields.string("source", method.source);
    fields.string("digest", method.digest);
    if (const Json* options = fields.find("options")) method.options = *options;
    if (!method.options.is_array())
      fields.fail(absl::StrCat(fields.path("options"), " must be a list"));
    ESPALIER_RETURN_IF_ERROR(fields.status());
    if (const std::string digest = schema_digest(method.options); digest != method.digest) {
      return absl::DataLossError(absl::StrCat("the catalogue says that ", method.name,
                                              " has the digest ", method.digest,
                                              ", but its options have ", digest));
    }
    out.methods_.push_back(std::move(method));
  }
  return out;
}

absl::StatusOr<Json> Catalogue::resolve(const std::string& kind, const Json& choice) const {
  Fields fields(choice, kind);
  std::string name, digest;
  fields.string("name", name);
  fields.string("digest", digest);
  fields.refuse_unknown({"name", "options", "digest"});
  ESPALIER_RETURN_IF_ERROR(fields.status());
  std::vector<std::string> known;
  for (const CatalogueMethod& method : methods_) {
    if (method.kind != kind) continue;
    known.push_back(method.name);
    if (method.name != name) continue;
    if (!digest.empty() && digest != method.digest) {
      return absl::FailedPreconditionError(absl::StrCat(
          kind, " ", name, " was resolved with other options than this build's (digest ",
          digest.substr(0, 12), ", here ", method.digest.substr(0, 12),
          "); leave the digest out to resolve it anew"));
    }
    const Json* options = fields.find("options");
    ESPALIER_ASSIGN_OR_RETURN(Json resolved, guard("reading the catalogue", [&] {
                                return resolve_options(name, method.options,
                                                       options ? *options : Json());
                              }));
    return Json{{"name", name}, {"options", std::move(resolved)}, {"digest", method.digest}};
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown ", kind, " \"", name,
                                                 "\"; known: ", absl::StrJoin(known, ", "),
                                                 "; none leaves it out"));
}

}  // namespace espalier
