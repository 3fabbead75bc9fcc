#include "core/text/special_template.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

using PartKind = TemplatePart::Kind;

constexpr char kWhere[] = "tokenizer.json: post_processor";

absl::Status bad_template(const std::string& problem) {
  return absl::InvalidArgumentError(absl::StrCat(kWhere, ": ", problem));
}

// ["[SEP]", 102]
absl::StatusOr<int32_t> token_id(const Json& json, const char* name) {
  const Json token = json.value(name, Json());
  if (!token.is_array() || token.size() != 2 || !token[1].is_number_integer())
    return bad_template(absl::StrCat(name, " must be a token and its id"));
  return token[1].get<int32_t>();
}

// A SpecialToken's ids: its name is looked up in the template's own list.
absl::Status add_special(const Json& piece, const Json& known, std::vector<TemplatePart>& out) {
  const std::string name = piece.at("id").get<std::string>();
  const auto entry = known.find(name);
  if (entry == known.end())
    return bad_template(absl::StrCat("special_tokens does not have '", name, "'"));
  for (const Json& id : entry->at("ids"))
    out.push_back({PartKind::kSpecial, piece.value("type_id", 0), id.get<int32_t>()});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TemplatePart>> read_parts(const Json& json, const char* name) {
  const Json known = json.value("special_tokens", Json::object());
  std::vector<TemplatePart> out;
  int texts[2] = {0, 0};
  for (const Json& part : json.at(name)) {
    if (auto sequence = part.find("Sequence"); sequence != part.end()) {
      const bool is_second = sequence->at("id") == "B";
      ++texts[is_second];
      out.push_back(
          {is_second ? PartKind::kSecond : PartKind::kFirst, sequence->value("type_id", 0)});
    } else if (auto special = part.find("SpecialToken"); special != part.end()) {
      ESPALIER_RETURN_IF_ERROR(add_special(*special, known, out));
    } else {
      return bad_template(
          absl::StrCat(name, " has ", part.dump(), "; known are Sequence and SpecialToken"));
    }
  }
  if (texts[0] != 1 || texts[1] != (std::string(name) == "pair"))
    return bad_template(absl::StrCat(name, " must have every text once"));
  return out;
}

}  // namespace

SpecialTemplate bert_template(int32_t first, int32_t separator) {
  const TemplatePart begin{PartKind::kSpecial, 0, first}, end{PartKind::kSpecial, 0, separator};
  return {
      {begin, {PartKind::kFirst}, end},
      {begin, {PartKind::kFirst}, end, {PartKind::kSecond, 1}, {PartKind::kSpecial, 1, separator}}};
}

SpecialTemplate roberta_template(int32_t first, int32_t separator, int32_t second_type) {
  const TemplatePart begin{PartKind::kSpecial, 0, first}, end{PartKind::kSpecial, 0, separator};
  return {{begin, {PartKind::kFirst}, end},
          {begin,
           {PartKind::kFirst},
           end,
           end,
           {PartKind::kSecond, second_type},
           {PartKind::kSpecial, second_type, separator}}};
}

Encoding SpecialTemplate::join(std::span<const int32_t> first, std::span<const int32_t> second,
                               bool has_pair) const {
  Encoding out;
  const size_t total =
      first.size() + (has_pair ? second.size() : 0) + static_cast<size_t>(added(has_pair));
  out.ids.reserve(total);
  out.types.reserve(total);
  for (const TemplatePart& part : has_pair ? pair : single) {
    const auto at = static_cast<int32_t>(out.ids.size());
    if (part.kind == PartKind::kSpecial) {
      out.ids.push_back(part.id);
    } else {
      const auto text = part.kind == PartKind::kFirst ? first : second;
      (part.kind == PartKind::kFirst ? out.first_begin : out.second_begin) = at;
      out.ids.insert(out.ids.end(), text.begin(), text.end());
    }
    out.types.resize(out.ids.size(), part.type);
  }
  return out;
}

int SpecialTemplate::added(bool has_pair) const {
  const auto& parts = has_pair ? pair : single;
  return static_cast<int>(std::count_if(parts.begin(), parts.end(), [](const TemplatePart& part) {
    return part.kind == PartKind::kSpecial;
  }));
}

int32_t SpecialTemplate::first() const {
  return !single.empty() && single.front().kind == PartKind::kSpecial ? single.front().id : -1;
}

int32_t SpecialTemplate::separator() const {
  return !single.empty() && single.back().kind == PartKind::kSpecial ? single.back().id : -1;
}

absl::StatusOr<PostProcessor> read_post_processor(const Json& json) {
  const std::string type = json.is_object() ? json.value("type", "") : json.dump();
  PostProcessor out;
  out.around = {{{PartKind::kFirst}}, {{PartKind::kFirst}, {PartKind::kSecond, 1}}};
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    ESPALIER_ASSIGN_OR_RETURN(int32_t first, token_id(json, "cls"));
    ESPALIER_ASSIGN_OR_RETURN(int32_t separator, token_id(json, "sep"));
    out.around = type == "BertProcessing" ? bert_template(first, separator)
                                          : roberta_template(first, separator, 0);
    if (type == "RobertaProcessing")
      out.trim = {json.value("trim_offsets", true), json.value("add_prefix_space", true)};
  } else if (type == "TemplateProcessing") {
    ESPALIER_ASSIGN_OR_RETURN(out.around.single, read_parts(json, "single"));
    ESPALIER_ASSIGN_OR_RETURN(out.around.pair, read_parts(json, "pair"));
  } else if (type == "ByteLevel") {
    out.trim = {json.value("trim_offsets", true), json.value("add_prefix_space", true)};
  } else if (type == "Sequence") {
    for (const Json& processor : json.at("processors")) {
      ESPALIER_ASSIGN_OR_RETURN(PostProcessor one, read_post_processor(processor));
      if (one.trim.on) out.trim = one.trim;
      if (one.around.added(true) > 0) out.around = std::move(one.around);
    }
  } else {
    return bad_template(absl::StrCat(
        "the type is ", type,
        "; this build knows: BertProcessing, RobertaProcessing, TemplateProcessing, ByteLevel, "
        "Sequence"));
  }
  return out;
}

}  // namespace espalier
