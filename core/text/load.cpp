#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"
#include "core/text/settings.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

namespace espalier {
namespace {

absl::StatusOr<Vocabulary> read_vocabulary(const TokenizerFiles& files, bool is_bpe) {
  const std::string file = absl::StrCat(files.folder, is_bpe ? "/vocab.json" : "/vocab.txt");
  if (files.whole.is_object() && files.whole.contains("model") &&
      files.whole["model"].contains("vocab"))
    return Vocabulary::from_json(files.whole["model"]["vocab"], "tokenizer.json");
  if (is_bpe) {
    ESPALIER_ASSIGN_OR_RETURN(Json json, read_json(file));
    return Vocabulary::from_json(json, "vocab.json");
  }
  ESPALIER_ASSIGN_OR_RETURN(std::string text, read_file(file));
  return Vocabulary::from_lines(text, "vocab.txt");
}

absl::StatusOr<Merges> read_merges_of(const TokenizerFiles& files) {
  if (files.whole.is_object() && files.whole.at("model").contains("merges"))
    return read_merge_list(files.whole["model"]["merges"]);
  ESPALIER_ASSIGN_OR_RETURN(std::string text, read_file(files.folder + "/merges.txt"));
  return read_merge_lines(text);
}

// Ids by content, of the vocabulary and of what was added to it.
class TokenIds {
 public:
  TokenIds(const Vocabulary& vocabulary, const std::vector<AddedToken>& added)
      : vocabulary_(vocabulary), added_(added), size_(vocabulary.size()) {
    for (const AddedToken& token : added) size_ = std::max(size_, token.id + 1);
  }
  int32_t find(const std::string& content) const {
    const auto it = std::find_if(added_.begin(), added_.end(),
                                 [&](const AddedToken& token) { return token.content == content; });
    return it != added_.end() ? it->id : vocabulary_.find(content);
  }
  int32_t size() const { return size_; }

 private:
  const Vocabulary& vocabulary_;
  const std::vector<AddedToken>& added_;
  int32_t size_;
};

// What tokens are in a text, by id.
std::vector<std::string> written_tokens(const Vocabulary& vocabulary,
                                        const std::vector<AddedToken>& added, int32_t size,
                                        bool is_bpe) {
  std::vector<std::string> out(static_cast<size_t>(size));
  for (const auto& [token, id] : vocabulary) {
    std::string bytes;
    const bool is_bytes = is_bpe && bytes_of_token(token, bytes);
    out[static_cast<size_t>(id)] = is_bytes ? repair_utf8(bytes) : token;
  }
  for (const AddedToken& token : added) out[static_cast<size_t>(token.id)] = token.content;
  return out;
}

// Of a family, where tokenizer.json does not say it.
absl::StatusOr<PostProcessor> usual_post_processor(TokenizerFamily family,
                                                   const SpecialNames& names, const TokenIds& ids,
                                                   bool prefix_space) {
  for (const std::string& name : {names.first, names.separator}) {
    if (ids.find(name) >= 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the vocabulary has no ", name, " among its ", ids.size(), " tokens; this tokenizer puts ",
        names.first, " before a text and ", names.separator, " behind it"));
  }
  const int32_t first = ids.find(names.first), separator = ids.find(names.separator);
  if (family == TokenizerFamily::kBert) return PostProcessor{bert_template(first, separator), {}};
  if (family == TokenizerFamily::kMpnet)
    return PostProcessor{roberta_template(first, separator, /*second_type=*/1), {}};
  return PostProcessor{roberta_template(first, separator, /*second_type=*/0), {true, prefix_space}};
}

absl::Status check_ids(const SpecialTemplate& around, int32_t vocabulary) {
  for (const auto* parts : {&around.single, &around.pair}) {
    for (const TemplatePart& part : *parts) {
      if (part.kind != TemplatePart::Kind::kSpecial) continue;
      if (part.id >= 0 && part.id < vocabulary) continue;
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: post_processor adds the id ",
                                                     part.id, ", but ids end at ", vocabulary - 1));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tokenizer>> load(const std::string& folder) {
  ESPALIER_ASSIGN_OR_RETURN(TokenizerFiles files, read_tokenizer_files(folder));
  ESPALIER_ASSIGN_OR_RETURN(bool is_bpe, uses_byte_level_bpe(files));
  ESPALIER_ASSIGN_OR_RETURN(Vocabulary vocabulary, read_vocabulary(files, is_bpe));
  const TokenizerFamily family = tokenizer_family(files, vocabulary, is_bpe);
  const SpecialNames names = read_special_names(files, family);

  Pipeline::Parts parts;
  ESPALIER_ASSIGN_OR_RETURN(parts.added, read_added_tokens(files, vocabulary, family));
  const TokenIds ids(vocabulary, parts.added);
  parts.vocabulary = ids.size();
  parts.written = written_tokens(vocabulary, parts.added, ids.size(), is_bpe);
  bool prefix_space = false;
  std::string unknown = names.unknown;
  if (is_bpe) {
    ESPALIER_ASSIGN_OR_RETURN(BpeSettings settings, read_bpe_settings(files));
    ESPALIER_ASSIGN_OR_RETURN(Merges merges, read_merges_of(files));
    ESPALIER_ASSIGN_OR_RETURN(parts.model, Bpe::make(vocabulary, merges, settings));
    prefix_space = settings.prefix_space;
  } else {
    ESPALIER_ASSIGN_OR_RETURN(WordPieceSettings settings, read_wordpiece_settings(files));
    ESPALIER_ASSIGN_OR_RETURN(parts.model, WordPiece::make(vocabulary, settings));
    unknown = settings.unknown;
  }

  const Json post = files.whole.is_object() ? files.whole.value("post_processor", Json()) : Json();
  if (post.is_null()) {
    ESPALIER_ASSIGN_OR_RETURN(parts.post, usual_post_processor(family, names, ids, prefix_space));
  } else {
    ESPALIER_ASSIGN_OR_RETURN(parts.post, read_post_processor(post));
    if (files.config.is_object() && files.config.contains("add_prefix_space"))
      parts.post.trim.prefix_space = prefix_space;
  }
  ESPALIER_RETURN_IF_ERROR(check_ids(parts.post.around, parts.vocabulary));
  parts.specials = {ids.find(names.pad), ids.find(unknown), parts.post.around.first(),
                    parts.post.around.separator(), ids.find(names.mask)};
  return std::make_unique<Pipeline>(std::move(parts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder) {
  return guard("reading the tokenizer", [&] { return load(folder); });
}

absl::StatusOr<std::string> tokenizer_digest(const std::string& folder) {
  Sha256 all;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                           "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"}) {
    auto digest = sha256_of_file(absl::StrCat(folder, "/", name));
    if (!digest.ok() && !absl::IsNotFound(digest.status())) return digest.status();
    all.update(absl::StrCat(name, " ", digest.ok() ? *digest : "none", "\n"));
  }
  return all.hex();
}

}  // namespace espalier
