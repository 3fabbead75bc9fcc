#include "server/control/services/new_job.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/recipe.h"
#include "server/common/status.h"
#include "server/control/convert.h"
#include "server/control/job_store.h"
#include "server/control/services/user_fields.h"

namespace espalier::server {

using espalier::v1::Job;

namespace {

// A name of this project.
absl::Status check_reference(const std::string& name, const std::string& collection,
                             const std::string& project, const std::string& field) {
  auto key = parse_name(name, collection);
  if (!key.ok()) return with_reason(key.status(), "BAD_NAME", field);
  if (key->project == project) return absl::OkStatus();
  return with_reason(
      absl::InvalidArgumentError(absl::StrCat(field, " is ", name, ", which is not in projects/",
                                              project, "; a job uses what its own project has")),
      "OTHER_PROJECT", field);
}

constexpr int kMostAfter = 64;
constexpr int kMostTeachers = 8;  // all of them are in a worker's memory
constexpr int kMostWorkerLabels = 64;
constexpr size_t kLongestWorkerLabel = 256;

// Lists of a user, bounded: they are stored, sent with every answer and looked through again and
// again.
absl::Status check_lists(const Job& job) {
  const auto too_many = [](const std::string& field, int found, int most) {
    return with_reason(absl::InvalidArgumentError(absl::StrCat(
                           field, " has ", found, " entries; at most ", most, " are allowed")),
                       "TOO_MANY", field);
  };
  if (job.after_size() > kMostAfter) return too_many("job.after", job.after_size(), kMostAfter);
  if (job.teachers_size() > kMostTeachers)
    return too_many("job.teachers", job.teachers_size(), kMostTeachers);
  if (job.worker_labels_size() > kMostWorkerLabels) {
    return too_many("job.worker_labels", job.worker_labels_size(), kMostWorkerLabels);
  }
  for (const auto& [name, value] : job.worker_labels()) {
    if (name.size() <= kLongestWorkerLabel && value.size() <= kLongestWorkerLabel) continue;
    return with_reason(
        absl::InvalidArgumentError(absl::StrCat(
            "job.worker_labels: a name or a value is longer than ", kLongestWorkerLabel, " bytes")),
        "TOO_LONG", "job.worker_labels");
  }
  return absl::OkStatus();
}

absl::StatusOr<RecipeSpec> resolve(const Catalogue& catalogue, const std::optional<TaskKind>& task,
                                   Job& job) {
  ESPALIER_ASSIGN_OR_RETURN(const Json written, to_json(job.recipe()));
  auto resolved = resolve_recipe(written, catalogue, task);
  if (!resolved.ok()) return with_reason(resolved.status(), "BAD_RECIPE", "job.recipe");
  ESPALIER_ASSIGN_OR_RETURN(*job.mutable_resolved_recipe(), to_struct(*resolved));
  return read_recipe(*resolved);
}

bool trains(const RecipeSpec& recipe) {
  for (const TrainingSpec& phase : {recipe.finetune, recipe.prune, recipe.recover, recipe.exits}) {
    if (phase.epochs > 0 || phase.steps > 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<Job> new_job(const espalier::v1::CreateJobRequest& request,
                            const Catalogue& catalogue, const std::optional<TaskKind>& task) {
  const Job& asked = request.job();
  const std::string id = request.job_id().empty() ? random_id(8) : request.job_id();
  ESPALIER_ASSIGN_OR_RETURN(const Key key, new_key(request.parent(), id, "job_id"));
  ESPALIER_RETURN_IF_ERROR(check_user_fields(asked, request.request_id()));
  ESPALIER_RETURN_IF_ERROR(check_lists(asked));

  Job job;  // the input fields only
  job.set_name(make_name(key, "jobs"));
  job.set_display_name(asked.display_name());
  *job.mutable_labels() = asked.labels();
  job.set_model(asked.model());
  job.set_dataset(asked.dataset());
  *job.mutable_recipe() = asked.recipe();
  job.set_priority(asked.priority());
  *job.mutable_after() = asked.after();
  *job.mutable_teachers() = asked.teachers();
  *job.mutable_worker_labels() = asked.worker_labels();
  job.set_artifact_id(asked.artifact_id().empty() ? id : asked.artifact_id());

  if (auto status = check_id(job.artifact_id(), "artifact_id"); !status.ok()) {
    return with_reason(status, "BAD_NAME", "job.artifact_id");
  }
  ESPALIER_RETURN_IF_ERROR(check_reference(job.model(), "models", key.project, "job.model"));
  for (const std::string& name : job.after()) {
    ESPALIER_RETURN_IF_ERROR(check_reference(name, "jobs", key.project, "job.after"));
  }
  std::set<std::string> teachers;
  for (const std::string& name : job.teachers()) {
    if (!teachers.insert(name).second) {
      return with_reason(
          absl::InvalidArgumentError(absl::StrCat("job.teachers names ", name, " twice")), "TWICE",
          "job.teachers");
    }
    if (name == kOwnTeacher) continue;
    ESPALIER_RETURN_IF_ERROR(check_reference(name, "models", key.project, "job.teachers"));
  }
  ESPALIER_ASSIGN_OR_RETURN(const RecipeSpec recipe, resolve(catalogue, task, job));
  if (!job.teachers().empty() && recipe.distillers.empty()) {
    return with_reason(
        absl::InvalidArgumentError(
            "job.teachers names models that teach, but no distiller of the recipe learns from "
            "them; name a distiller, soft_labels for example, or leave the teachers out"),
        "NO_DISTILLER", "job.teachers");
  }
  if (!job.dataset().empty()) {
    ESPALIER_RETURN_IF_ERROR(
        check_reference(job.dataset(), "datasets", key.project, "job.dataset"));
  } else if (recipe.recipe != "dense" || trains(recipe)) {
    return with_reason(
        absl::InvalidArgumentError(
            "job.dataset is empty; only the \"dense\" recipe with finetune.epochs 0 (a model "
            "that is fine-tuned already) works without a data set"),
        "NO_DATASET", "job.dataset");
  }
  return job;
}

}  // namespace espalier::server
