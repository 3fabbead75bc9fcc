#include "core/text/settings.h"

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

// A file that need not be there: null.
absl::StatusOr<Json> read_optional(const std::string& path) {
  auto json = read_json(path);
  if (absl::IsNotFound(json.status())) return Json();
  return json;
}

// Takes a boolean field; says whether it was there.
absl::StatusOr<bool> take(const Json& json, const char* name, const std::string& file, bool& out) {
  if (!json.is_object()) return false;
  auto it = json.find(name);
  if (it == json.end() || it->is_null()) return false;
  if (!it->is_boolean())
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", name, " must be true or false"));
  out = it->get<bool>();
  return true;
}

absl::Status expect_type(const Json& json, const char* part, const char* known) {
  const Json type = json.is_object() ? json.value("type", Json()) : Json();
  if (type.is_null() || (type.is_string() && type.get<std::string>() == known))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: ", part, ".type is ", type.dump(),
                                                 "; this build knows: ", known));
}

}  // namespace

absl::StatusOr<BertSettings> read_bert_settings(const std::string& folder) {
  const std::string whole = folder + "/tokenizer.json", config = folder + "/tokenizer_config.json";
  ESPALIER_ASSIGN_OR_RETURN(Json tokenizer, read_optional(whole));
  ESPALIER_ASSIGN_OR_RETURN(Json overrides, read_optional(config));
  BertSettings out;
  bool accents_said = false, said = false;
  if (tokenizer.is_object()) {
    const Json normalizer = tokenizer.value("normalizer", Json());
    ESPALIER_RETURN_IF_ERROR(expect_type(tokenizer.value("model", Json()), "model", "WordPiece"));
    ESPALIER_RETURN_IF_ERROR(expect_type(normalizer, "normalizer", "BertNormalizer"));
    ESPALIER_RETURN_IF_ERROR(take(normalizer, "clean_text", whole, out.clean).status());
    ESPALIER_RETURN_IF_ERROR(take(normalizer, "handle_chinese_chars", whole, out.pad_cjk).status());
    ESPALIER_RETURN_IF_ERROR(take(normalizer, "lowercase", whole, out.lower_case).status());
    ESPALIER_ASSIGN_OR_RETURN(accents_said,
                              take(normalizer, "strip_accents", whole, out.strip_accents));
  }
  ESPALIER_RETURN_IF_ERROR(take(overrides, "do_lower_case", config, out.lower_case).status());
  ESPALIER_RETURN_IF_ERROR(take(overrides, "tokenize_chinese_chars", config, out.pad_cjk).status());
  ESPALIER_ASSIGN_OR_RETURN(said, take(overrides, "strip_accents", config, out.strip_accents));
  if (!accents_said && !said)
    out.strip_accents = out.lower_case;  // BERT strips accents where it lower-cases
  return out;
}

}  // namespace espalier
