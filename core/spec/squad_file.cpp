#include "core/spec/squad_file.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/bounded_files.h"
#include "core/spec/fields.h"

namespace espalier {
namespace {

constexpr size_t kShownCodePoints = 40;

absl::Status bad_place(const std::string& where, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// A text and the byte at which each of its code points begins, with its length at the end.
class Context {
 public:
  explicit Context(std::string text) : text_(std::move(text)) {
    for (size_t i = 0; i < text_.size(); ++i) {
      if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) begins_.push_back(i);
    }
    begins_.push_back(text_.size());
  }
  const std::string& text() const { return text_; }
  size_t size() const { return begins_.size() - 1; }  // code points
  bool holds(const std::string& answer, size_t begin) const {
    return begin < size() && text_.compare(begins_[begin], answer.size(), answer) == 0;
  }
  // Some code points from here on, to be shown.
  std::string at(size_t begin) const {
    begin = std::min(begin, size());
    const size_t end = std::min(begin + kShownCodePoints, size());
    return text_.substr(begins_[begin], begins_[end] - begins_[begin]);
  }
  // The code point where the answer first stands; size() if it does not.
  size_t find(const std::string& answer) const {
    const size_t byte = text_.find(answer);
    return static_cast<size_t>(
        std::lower_bound(begins_.begin(), begins_.end() - 1, std::min(byte, text_.size())) -
        begins_.begin());
  }

 private:
  std::string text_;
  std::vector<size_t> begins_;
};

absl::Status misplaced(const std::string& where, const std::string& answer, size_t begin,
                       const Context& context) {
  const size_t found = context.find(answer);
  return bad_place(
      where,
      absl::StrCat("the answer \"", Context(answer).at(0), "\" does not stand at code point ",
                   begin, " of the context, which has ", context.size(), "; there stands \"",
                   context.at(begin), "\", and the answer ",
                   found < context.size() ? absl::StrCat("stands at ", found)
                                          : std::string("is nowhere in it")));
}

// What stands in the list `name`; an absent one is an error.
absl::StatusOr<const Json*> list_in(const Fields& fields, const std::string& name) {
  const Json* list = fields.find(name);
  if (list == nullptr) return absl::InvalidArgumentError(fields.path(name) + " is missing");
  if (list->is_array()) return list;
  return absl::InvalidArgumentError(
      absl::StrCat(fields.path(name), " must be a list, found ", shown(*list)));
}

absl::StatusOr<std::string> text_in(Fields& fields, const std::string& name) {
  std::string out;
  fields.require({name.c_str()});
  fields.string(name, out);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  if (out.empty()) return absl::InvalidArgumentError(fields.path(name) + " is empty");
  if (out.size() <= kMaxSquadTextBytes) return out;
  return absl::InvalidArgumentError(
      absl::StrCat(fields.path(name), " has ", out.size(), " bytes; at most ", kMaxSquadTextBytes));
}

class SquadReader {
 public:
  explicit SquadReader(SquadAnswers answers) : answers_(answers) {}

  absl::StatusOr<Rows> read(const Json& file) {
    const Fields fields(file, "");
    ESPALIER_RETURN_IF_ERROR(fields.status());
    ESPALIER_ASSIGN_OR_RETURN(const Json* articles, list_in(fields, "data"));
    for (size_t a = 0; a < articles->size(); ++a)
      ESPALIER_RETURN_IF_ERROR(read_article((*articles)[a], absl::StrCat("data[", a, "]")));
    if (!unanswered_.empty() && answered_)
      return bad_place(unanswered_, "has no answers, but other questions of the file have");
    return std::move(rows_);
  }

 private:
  absl::Status read_article(const Json& article, const std::string& where) {
    const Fields fields(article, where);
    ESPALIER_RETURN_IF_ERROR(fields.status());
    ESPALIER_ASSIGN_OR_RETURN(const Json* paragraphs, list_in(fields, "paragraphs"));
    for (size_t p = 0; p < paragraphs->size(); ++p) {
      ESPALIER_RETURN_IF_ERROR(
          read_paragraph((*paragraphs)[p], absl::StrCat(where, ".paragraphs[", p, "]")));
    }
    return absl::OkStatus();
  }

  absl::Status read_paragraph(const Json& paragraph, const std::string& where) {
    Fields fields(paragraph, where);
    ESPALIER_RETURN_IF_ERROR(fields.status());
    ESPALIER_ASSIGN_OR_RETURN(const Json* questions, list_in(fields, "qas"));
    ESPALIER_ASSIGN_OR_RETURN(std::string text, text_in(fields, "context"));
    contexts_bytes_ += text.size() * questions->size();
    if (contexts_bytes_ > kMaxSquadContextsBytes) {
      return bad_place(where,
                       absl::StrCat("with this paragraph the contexts, one a question, have ",
                                    contexts_bytes_, " bytes; at most ", kMaxSquadContextsBytes,
                                    "; split the file or its contexts"));
    }
    const Context context(std::move(text));
    for (size_t q = 0; q < questions->size(); ++q) {
      const Json& question = (*questions)[q];
      std::string place = absl::StrCat(where, ".qas[", q, "]");
      if (question.is_object() && question.contains("id"))
        absl::StrAppend(&place, " (id ", shown(question["id"]), ")");
      ESPALIER_RETURN_IF_ERROR(read_question(question, place, context));
    }
    return absl::OkStatus();
  }

  absl::Status read_question(const Json& question, const std::string& where,
                             const Context& context) {
    Fields fields(question, where);
    bool impossible = false;
    fields.boolean("is_impossible", impossible);
    ESPALIER_RETURN_IF_ERROR(fields.status());
    ESPALIER_ASSIGN_OR_RETURN(std::string text, text_in(fields, "question"));
    RightAnswers answers;
    if (answers_ == SquadAnswers::kIgnored) {
      add(where, std::move(text), context.text(), {}, false);
      return absl::OkStatus();
    }
    const bool known = impossible || fields.has("answers");
    if (fields.has("answers")) {
      ESPALIER_ASSIGN_OR_RETURN(answers, read_answers(fields, where, context));
      if (fields.has("is_impossible") && impossible != answers.texts.empty())
        return bad_place(where, absl::StrCat("is_impossible is ", impossible ? "true" : "false",
                                             ", but there are ", answers.texts.size(), " answers"));
    }
    if (!known && answers_ == SquadAnswers::kOfEach) {
      return bad_place(where,
                       "has no answers; train needs them, and questions without any can be the "
                       "split unlabelled");
    }
    add(where, std::move(text), context.text(), std::move(answers), known);
    return absl::OkStatus();
  }

  static absl::StatusOr<RightAnswers> read_answers(const Fields& question, const std::string& where,
                                                   const Context& context) {
    ESPALIER_ASSIGN_OR_RETURN(const Json* list, list_in(question, "answers"));
    RightAnswers out;
    for (size_t i = 0; i < list->size(); ++i) {
      const std::string place = absl::StrCat(where, ".answers[", i, "]");
      Fields fields((*list)[i], place);
      int32_t begin = 0;
      fields.require({"text", "answer_start"});
      fields.integer("answer_start", begin, 0, std::numeric_limits<int32_t>::max());
      ESPALIER_ASSIGN_OR_RETURN(std::string text, text_in(fields, "text"));
      if (!context.holds(text, static_cast<size_t>(begin)))
        return misplaced(place, text, static_cast<size_t>(begin), context);
      out.texts.push_back(std::move(text));
      out.begins.push_back(begin);
    }
    return out;
  }

  void add(const std::string& where, std::string question, const std::string& context,
           RightAnswers answers, bool known) {
    answered_ = answered_ || known;
    if (!known && unanswered_.empty()) unanswered_ = where;
    if (known) {
      rows_.targets.add(answers.texts.empty() ? 0 : 1);
    } else {
      rows_.targets.add_unknown();
    }
    rows_.text.push_back(std::move(question));
    rows_.pair.push_back(context);
    rows_.answers.push_back(std::move(answers));
  }

  const SquadAnswers answers_;
  Rows rows_;
  size_t contexts_bytes_ = 0;
  bool answered_ = false;
  std::string unanswered_;  // the first question whose answers are not known
};

}  // namespace

absl::StatusOr<Rows> read_squad(const std::string& path, SquadAnswers answers) {
  return guard("reading a SQuAD file", [&]() -> absl::StatusOr<Rows> {
    ESPALIER_ASSIGN_OR_RETURN(const Json file, read_bounded_json(path, kMaxSquadBytes));
    absl::StatusOr<Rows> rows = SquadReader(answers).read(file);
    if (rows.ok() || !absl::IsInvalidArgument(rows.status())) return rows;
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", rows.status().message()));
  });
}

}  // namespace espalier
