#include "core/text/settings.h"

#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

constexpr int64_t kMaxIds = 1 << 24;
constexpr char kWhole[] = "tokenizer.json", kConfig[] = "tokenizer_config.json";

// An object in a file that need not be there: null.
absl::StatusOr<Json> read_optional(const std::string& folder, const char* name) {
  auto json = read_json(absl::StrCat(folder, "/", name));
  if (absl::IsNotFound(json.status())) return Json();
  if (json.ok() && !json->is_object())
    return absl::InvalidArgumentError(absl::StrCat(folder, "/", name, " must be a JSON object"));
  return json;
}

// A part of an object; null where it is not there.
Json part(const Json& json, const char* name) {
  return json.is_object() ? json.value(name, Json()) : Json();
}

// Takes a boolean field; says whether it was there.
absl::StatusOr<bool> take(const Json& json, const char* name, const char* file, bool& out) {
  const Json value = part(json, name);
  if (value.is_null()) return false;
  if (!value.is_boolean())
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", name, " must be true or false"));
  out = value.get<bool>();
  return true;
}

absl::Status refuse(const std::string& what, const Json& found, const std::string& known) {
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer.json: ", what, " is ", found.dump(), "; this build knows: ", known));
}

absl::Status expect_type(const Json& json, const char* name, const char* known) {
  const Json type = part(json, "type");
  if ((json.is_null() && type.is_null()) || type == known) return absl::OkStatus();
  return refuse(absl::StrCat(name, ".type"), type, known);
}

absl::Status read_normalizer(const TokenizerFiles& files, BertSettings& out, bool& accents_said) {
  const auto normalizer = files.whole.find("normalizer");
  if (normalizer == files.whole.end()) return absl::OkStatus();
  if (normalizer->is_null()) {  // it says that there is none
    out = {false, false, false, false};
    accents_said = true;
    return absl::OkStatus();
  }
  ESPALIER_RETURN_IF_ERROR(expect_type(*normalizer, "normalizer", "BertNormalizer"));
  ESPALIER_RETURN_IF_ERROR(take(*normalizer, "clean_text", kWhole, out.clean).status());
  ESPALIER_RETURN_IF_ERROR(take(*normalizer, "handle_chinese_chars", kWhole, out.pad_cjk).status());
  ESPALIER_RETURN_IF_ERROR(take(*normalizer, "lowercase", kWhole, out.lower_case).status());
  ESPALIER_ASSIGN_OR_RETURN(accents_said,
                            take(*normalizer, "strip_accents", kWhole, out.strip_accents));
  return absl::OkStatus();
}

absl::StatusOr<BertSettings> read_bert_settings(const TokenizerFiles& files) {
  BertSettings out;
  bool accents_said = false, said = false;
  if (files.whole.is_object()) ESPALIER_RETURN_IF_ERROR(read_normalizer(files, out, accents_said));
  ESPALIER_RETURN_IF_ERROR(take(files.config, "do_lower_case", kConfig, out.lower_case).status());
  ESPALIER_RETURN_IF_ERROR(
      take(files.config, "tokenize_chinese_chars", kConfig, out.pad_cjk).status());
  ESPALIER_ASSIGN_OR_RETURN(said, take(files.config, "strip_accents", kConfig, out.strip_accents));
  if (!accents_said && !said)
    out.strip_accents = out.lower_case;  // BERT strips accents where it lower-cases
  return out;
}

// A token is a string, or an object with its content.
std::string token_content(const Json& token) {
  const Json content = token.is_object() ? token.value("content", Json()) : token;
  return content.is_string() ? content.get<std::string>() : "";
}

absl::StatusOr<AddedToken> read_added_token(const Json& json, int64_t id,
                                            const Vocabulary& vocabulary, const char* file) {
  AddedToken out;
  out.content = token_content(json);
  if (out.content.empty() || id < 0 || id >= kMaxIds) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": an added token is ", json.dump(),
                     "; it needs a content and an id from 0 to 16777215"));
  }
  const int32_t known = vocabulary.find(out.content);
  out.id = known != Vocabulary::kAbsent ? known : static_cast<int32_t>(id);
  ESPALIER_RETURN_IF_ERROR(take(json, "special", file, out.special).status());
  out.normalized = !out.special;
  ESPALIER_RETURN_IF_ERROR(take(json, "normalized", file, out.normalized).status());
  ESPALIER_RETURN_IF_ERROR(take(json, "single_word", file, out.single_word).status());
  ESPALIER_RETURN_IF_ERROR(take(json, "lstrip", file, out.lstrip).status());
  ESPALIER_RETURN_IF_ERROR(take(json, "rstrip", file, out.rstrip).status());
  return out;
}

int64_t integer_or_minus_one(const Json& json) {
  return json.is_number_integer() ? json.get<int64_t>() : -1;
}

// Without a list: the special tokens by name, and what added_tokens.json has.
std::vector<AddedToken> named_tokens(const TokenizerFiles& files, const Vocabulary& vocabulary,
                                     TokenizerFamily family) {
  const SpecialNames names = read_special_names(files, family);
  std::vector<AddedToken> out;
  for (const std::string& name :
       {names.pad, names.unknown, names.first, names.separator, names.mask}) {
    AddedToken token;
    token.content = name;
    token.id = vocabulary.find(name);
    token.lstrip = name == names.mask && family != TokenizerFamily::kBert;
    if (token.id != Vocabulary::kAbsent) out.push_back(token);
  }
  if (!files.added.is_object()) return out;
  for (const auto& [content, id] : files.added.items()) {
    AddedToken token;
    token.content = content;
    const int64_t number = integer_or_minus_one(id);
    if (number < 0 || number >= kMaxIds) continue;
    token.id = static_cast<int32_t>(number);
    token.normalized = true;
    out.push_back(token);
  }
  return out;
}

}  // namespace

absl::StatusOr<TokenizerFiles> read_tokenizer_files(const std::string& folder) {
  TokenizerFiles out;
  out.folder = folder;
  ESPALIER_ASSIGN_OR_RETURN(out.whole, read_optional(folder, kWhole));
  ESPALIER_ASSIGN_OR_RETURN(out.config, read_optional(folder, kConfig));
  ESPALIER_ASSIGN_OR_RETURN(out.names, read_optional(folder, "special_tokens_map.json"));
  ESPALIER_ASSIGN_OR_RETURN(out.added, read_optional(folder, "added_tokens.json"));
  return out;
}

absl::StatusOr<bool> uses_byte_level_bpe(const TokenizerFiles& files) {
  const Json model = part(files.whole, "model"), type = part(model, "type");
  if (type == "BPE" || (type.is_null() && !part(model, "merges").is_null())) return true;
  if (type == "WordPiece" || !part(model, "vocab").is_null()) return false;
  if (!type.is_null()) return refuse("model.type", type, "WordPiece, BPE");
  const auto has = [&](const char* name) {
    return std::filesystem::exists(absl::StrCat(files.folder, "/", name));
  };
  if (has("vocab.txt")) return false;
  if (has("vocab.json") && has("merges.txt")) return true;
  return absl::NotFoundError(
      absl::StrCat(files.folder,
                   " has no vocabulary; a tokenizer is tokenizer.json, vocab.txt (WordPiece), or "
                   "vocab.json with merges.txt (byte-level BPE)"));
}

TokenizerFamily tokenizer_family(const TokenizerFiles& files, const Vocabulary& vocabulary,
                                 bool is_bpe) {
  if (is_bpe) return TokenizerFamily::kRoberta;
  const Json name = part(files.config, "tokenizer_class");
  if (name.is_string()) {
    return name.get<std::string>().starts_with("MPNet") ? TokenizerFamily::kMpnet
                                                        : TokenizerFamily::kBert;
  }
  const bool looks_like_mpnet = vocabulary.find("[CLS]") == Vocabulary::kAbsent &&
                                vocabulary.find("<s>") != Vocabulary::kAbsent;
  return looks_like_mpnet ? TokenizerFamily::kMpnet : TokenizerFamily::kBert;
}

absl::StatusOr<WordPieceSettings> read_wordpiece_settings(const TokenizerFiles& files) {
  WordPieceSettings out;
  ESPALIER_ASSIGN_OR_RETURN(out.text, read_bert_settings(files));
  ESPALIER_RETURN_IF_ERROR(
      expect_type(part(files.whole, "pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer"));
  const Json model = part(files.whole, "model");
  if (model.is_null()) {
    if (const std::string name = token_content(part(files.config, "unk_token")); !name.empty())
      out.unknown = name;
    return out;
  }
  out.unknown = model.value("unk_token", out.unknown);
  out.continuation = model.value("continuing_subword_prefix", out.continuation);
  out.max_characters_per_word =
      model.value("max_input_chars_per_word", out.max_characters_per_word);
  return out;
}

absl::StatusOr<BpeSettings> read_bpe_settings(const TokenizerFiles& files) {
  BpeSettings out;
  ESPALIER_RETURN_IF_ERROR(
      take(files.config, "add_prefix_space", kConfig, out.prefix_space).status());
  if (files.whole.is_null()) return out;
  if (const Json normalizer = part(files.whole, "normalizer"); !normalizer.is_null())
    return refuse("normalizer", normalizer, "none for BPE");
  const Json splitter = part(files.whole, "pre_tokenizer"), model = part(files.whole, "model");
  bool uses_pattern = true;
  ESPALIER_RETURN_IF_ERROR(take(splitter, "use_regex", kWhole, uses_pattern).status());
  if (part(splitter, "type") != "ByteLevel" || !uses_pattern)
    return refuse("pre_tokenizer", splitter, "ByteLevel with its own pattern for BPE");
  if (part(files.config, "add_prefix_space").is_null())
    ESPALIER_RETURN_IF_ERROR(take(splitter, "add_prefix_space", kWhole, out.prefix_space).status());
  for (const char* name :
       {"continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"}) {
    const Json value = part(model, name);
    if (!value.is_null() && value != "" && value != 0.0 && value != false)
      return refuse(absl::StrCat("model.", name), value, "none for byte-level BPE");
  }
  ESPALIER_RETURN_IF_ERROR(take(model, "ignore_merges", kWhole, out.ignore_merges).status());
  ESPALIER_RETURN_IF_ERROR(take(model, "fuse_unk", kWhole, out.fuse_unknown).status());
  out.unknown = token_content(part(model, "unk_token"));
  return out;
}

SpecialNames read_special_names(const TokenizerFiles& files, TokenizerFamily family) {
  SpecialNames out{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  if (family == TokenizerFamily::kMpnet) out = {"<pad>", "[UNK]", "<s>", "</s>", "<mask>"};
  if (family == TokenizerFamily::kRoberta) out = {"<pad>", "<unk>", "<s>", "</s>", "<mask>"};
  const auto read = [&](const char* key, std::string& name) {
    for (const Json* json : {&files.config, &files.names}) {
      const std::string content = token_content(part(*json, key));
      if (content.empty()) continue;
      name = content;
      return;
    }
  };
  read("pad_token", out.pad);
  read("unk_token", out.unknown);
  read("cls_token", out.first);
  read("sep_token", out.separator);
  read("mask_token", out.mask);
  return out;
}

absl::StatusOr<std::vector<AddedToken>> read_added_tokens(const TokenizerFiles& files,
                                                          const Vocabulary& vocabulary,
                                                          TokenizerFamily family) {
  std::vector<AddedToken> out;
  const Json list = part(files.whole, "added_tokens");
  const Json by_id = part(files.config, "added_tokens_decoder");
  if (list.is_array()) {
    for (const Json& token : list) {
      const int64_t id = integer_or_minus_one(part(token, "id"));
      ESPALIER_ASSIGN_OR_RETURN(AddedToken one, read_added_token(token, id, vocabulary, kWhole));
      out.push_back(std::move(one));
    }
  } else if (by_id.is_object()) {
    for (const auto& [key, token] : by_id.items()) {
      int64_t id = -1;
      if (!absl::SimpleAtoi(key, &id)) id = -1;
      ESPALIER_ASSIGN_OR_RETURN(AddedToken one, read_added_token(token, id, vocabulary, kConfig));
      out.push_back(std::move(one));
    }
  } else {
    out = named_tokens(files, vocabulary, family);
  }
  return out;
}

}  // namespace espalier
