// One run, many sizes: models that are taken on the way to the target, and the choice among them.
#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/job/constraint.h"
#include "core/job/job.h"
#include "core/job/measure.h"

namespace espalier {
namespace {

// A pruner is asked where it stands every so many steps: some milliseconds each.
constexpr int64_t kLook = 8;

}  // namespace

void Job::pass_milestones(Trainer& trainer, Pruner& pruner, const Distillers& distillers) {
  const std::vector<double>& wanted = recipe_.target.milestones;
  if (state_.milestones.size() == wanted.size()) return;
  const bool due = trainer.step_index() % kLook == 0 && !pruner.has_all_sizes();
  if (!due && !trainer.done()) return;
  const Cost cost = aim(recipe_.target.value).cost_of(state_.model.config);
  const double gone = cost.share_gone(trainer.current_gates());
  while (state_.milestones.size() < wanted.size()) {
    const double value = wanted[state_.milestones.size()];
    if (gone < aim(value).sparsity - 1e-9) return;
    take_milestone(value, trainer, pruner, distillers);
  }
}

void Job::take_milestone(double value, Trainer& trainer, Pruner& pruner,
                         const Distillers& distillers) {
  // The run goes on afterwards as if nobody had looked.
  State kept;
  pruner.save(kept);
  const Model weights = state_.model.clone();  // which finishing may solve anew
  pruner.aim(aim(value));
  pruner.finish(trainer);
  const Gates gates = meet_target(value, trainer, pruner);
  pruner.aim(aim(recipe_.target.value));
  pruner.load(kept);

  const std::vector<double>& wanted = recipe_.target.milestones;
  const size_t next = state_.milestones.size() + 1;
  const double goal = next < wanted.size() ? wanted[next] : recipe_.target.value;
  const Aim beyond = aim(goal);
  const double gone = beyond.cost_of(state_.model.config).share_gone(gates);
  if (gone >= beyond.sparsity - 1e-9) {
    throw StatusError(absl::FailedPreconditionError(
        absl::StrCat("the pruner ", recipe_.pruner.name, " came to ", goal,
                     " of the target and its milestones "
                     "in the step in which it passed ",
                     value, ", so that there is no model of its own for ", value,
                     "; prune in more steps, cut more often, or leave this milestone out")));
  }

  refit(gates, trainer);
  Milestone taken;
  FoldMap map;
  taken.model = fold_proven(gates, map);
  // Copies learn of the fold: the distillers themselves go on with the whole model.
  std::vector<State> learnt;
  for (const auto& distiller : distillers) distiller->save(learnt.emplace_back());
  for (const auto& copy : make_distillers(learnt)) {
    copy->prepare(trainer);
    copy->folded(trainer, map);
    copy->save(taken.distillers.emplace_back());
  }
  state_.model.copy_values(weights);
  state_.milestones.push_back(std::move(taken));
  reporter_->say(absl::StrCat("the model of the milestone ", value, " is taken"));
}

// Judged as it would be published, on the split that training chose its states on.
void Job::choose() {
  const auto engine_of = [&](const std::string& role) {
    const std::string aside = absl::StrCat(input_.output_folder, "/candidate");
    std::error_code ignored;
    std::filesystem::remove_all(aside, ignored);
    save(role, precision(role), aside);
    auto engine = value_or_throw(runtime::Engine::load(aside, {.as_published = true}));
    std::filesystem::remove_all(aside, ignored);
    return engine;
  };
  const auto answers_of_role = [&](const std::string& role) {
    return value_or_throw(predict_all(*engine_of(role), splits_.select, *task_,
                                      std::numeric_limits<double>::quiet_NaN(),
                                      [&] { reporter_->step(0, 1, {}); }));
  };
  const std::vector<Prediction> dense = answers_of_role(kDense);
  // From the smallest model on.
  std::vector<std::string> sizes = {kCompressed};
  for (size_t i = state_.milestones.size(); i > 0; --i) sizes.push_back(milestone_role(i - 1));
  Json& tried = state_.facts["choose"]["tried"] = Json::array();
  std::vector<std::string> told;
  for (const std::string& role : sizes) {
    const std::optional<size_t> milestone = milestone_of(role);
    const double value = milestone ? recipe_.target.milestones[*milestone] : recipe_.target.value;
    const MetricDrop drop = drop_between(dense, answers_of_role(role), splits_.select);
    tried.push_back(drop.to_json());
    tried.back()["value"] = value;
    told.push_back(absl::StrCat(value, ": ", drop.drop()));
    if (!drop.holds()) continue;
    state_.facts["choose"]["chosen"] = value;
    if (milestone) {
      state_.model = std::move(state_.milestones[*milestone].model);
      state_.distillers = std::move(state_.milestones[*milestone].distillers);
    }
    state_.milestones.clear();
    return;
  }
  throw StatusError(absl::FailedPreconditionError(absl::StrCat(
      "no size keeps the constraint of ", recipe_.max_metric_drop,
      " points on the select split; the target's values that were tried, and what each lost: ",
      absl::StrJoin(told, ", "),
      "; add a milestone that is nearer to the dense model, train "
      "longer, or allow more")));
}

}  // namespace espalier
