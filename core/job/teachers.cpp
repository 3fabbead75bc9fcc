// The models that teach: the job's own dense one, and others that the job names.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/job/job.h"
#include "core/model/load.h"
#include "core/train/evaluate.h"

namespace espalier {
namespace {

// Token ids of a line that knows small and large letters, accents, digits, signs and other scripts.
std::vector<int32_t> ids_of(const Tokenizer& tokenizer) {
  constexpr char kLine[] =
      "Don't ask: the na\u00efve R\u00c9SUM\u00c9 of 1,024 unbelievably long-winded co-authors "
      "(see [3] & e.g. \u4e2d\u6587, \u0440\u0443\u0441) costs $5.";
  return tokenizer.encode(kLine, {}, /*has_pair=*/false, 128).ids;
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw StatusError(absl::InvalidArgumentError(absl::StrCat("the teacher ", name, " ", why)));
}

}  // namespace

void Job::load_teachers() {
  const ModelConfig& own = state_.model.config;
  const auto outputs = [](const ModelConfig& config) {
    return absl::StrCat(config.classes, " outputs",
                        config.label_names.empty()
                            ? ""
                            : absl::StrCat(" (", absl::StrJoin(config.label_names, ", "), ")"));
  };
  for (const TeacherInput& input : input_.teachers) {
    Teacher& teacher = teachers_.emplace_back();
    teacher.name = input.name;
    if (input.folder.empty()) continue;
    teacher.model = value_or_throw(load_hugging_face(input.folder));
    const ModelConfig& config = teacher.model.config;
    teacher.model.heads.clear();
    teacher.model.config.heads.clear();
    if (config.reads_images() != own.reads_images() || config.image_size != own.image_size ||
        config.channels != own.channels) {
      refuse(input.name, "reads other inputs than the job's model; take one that reads the same");
    }
    if (config.positions < max_length_) {
      refuse(input.name, absl::StrCat("has positions for ", config.positions,
                                      " tokens, but the job reads up to ", max_length_,
                                      "; ask for a shorter max_length"));
    }
    if (tokenizer_ != nullptr) {
      const auto theirs = value_or_throw(load_tokenizer(input.folder));
      if (config.vocabulary < own.vocabulary || ids_of(*theirs) != ids_of(*tokenizer_)) {
        refuse(input.name,
               "has another tokenizer than the job's model: both have to see the same "
               "token ids; take one of the same vocabulary");
      }
      if (config.token_types < own.token_types)
        refuse(input.name, "knows fewer token types than the job's model");
    }
    const bool same_problem = config.problem == ProblemType::kUnstated ||
                              own.problem == ProblemType::kUnstated ||
                              config.problem == own.problem;
    const bool same_head = config.head == own.head && config.spans == own.spans &&
                           config.classes == own.classes && same_problem;
    if (!same_head ||
        !(own.label_names.empty() || teacher.model.reorder_classifier(own.label_names))) {
      refuse(input.name,
             absl::StrCat("answers with ", outputs(config), ", but the job needs ", outputs(own),
                          same_problem ? "" : " of another kind of answer",
                          "; fine-tune it on this data set first"));
    }
  }
  if (teachers_.empty()) teachers_.push_back({.name = kOwnTeacher});
}

const std::vector<Teacher>& Job::teachers() {
  Json& figures = state_.facts["teachers"];
  for (Teacher& teacher : teachers_) {
    if (teacher.model.layers.empty()) teacher.model = *state_.dense;
    if (teachers_.size() == 1 || !std::isnan(teacher.figure)) continue;
    if (!figures.contains(teacher.name)) {
      reporter_->say(absl::StrCat("what the teacher ", teacher.name, " knows is measured"));
      figures[teacher.name] = first_metric(teacher.model, {}, splits_.select, *task_);
    }
    teacher.figure = figures.at(teacher.name);
  }
  return teachers_;
}

}  // namespace espalier
