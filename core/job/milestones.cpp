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

Aim Job::aim_with_stop() const {
  Aim out = aim(recipe_.target.value);
  const std::vector<double>& wanted = recipe_.target.milestones;
  if (state_.passed < wanted.size()) out.stop = aim(wanted[state_.passed]).sparsity;
  return out;
}

void Job::pass_milestones(Trainer& trainer, Pruner& pruner, const Distillers& distillers) {
  const std::vector<double>& wanted = recipe_.target.milestones;
  while (state_.passed < wanted.size()) {
    const double value = wanted[state_.passed];
    if (pruner.reached() < aim(value).sparsity - 1e-9 && !trainer.done()) return;
    take_milestone(value, trainer, pruner, distillers);
    ++state_.passed;
    pruner.aim(aim_with_stop());
    // What was timed is not timed again.
    if (aims_at_time() && !trainer.done()) checkpoint(&trainer, true);
  }
}

void Job::take_milestone(double value, Trainer& trainer, Pruner& pruner,
                         const Distillers& distillers) {
  // The run goes on afterwards as if nobody had looked.
  State kept;
  pruner.save(kept);
  const Model weights = state_.model.clone();  // which finishing may solve anew
  if (!pruner.has_all_sizes()) state_.model.copy_values(trainer.averaged());
  const auto go_back = [&] {
    pruner.load(kept);
    state_.model.copy_values(weights);
  };
  pruner.aim(aim(value));
  pruner.finish(trainer);
  // Of a small model one unit may be more than lies between two milestones.
  const size_t next = state_.passed + 1;
  const std::vector<double>& wanted = recipe_.target.milestones;
  const double goal = next < wanted.size() ? wanted[next] : recipe_.target.value;
  const Aim beyond = aim(goal);
  const Gates cut = pruner.settle(trainer, trainer.final_gates());
  if (beyond.cost_of(state_.model.config).share_gone(cut) >= beyond.sparsity - 1e-9) {
    const std::string why = absl::StrCat("the smallest model that the pruner ", recipe_.pruner.name,
                                         " has for ", value, " is one for ", goal, ", too");
    if (!recipe_.search) {
      throw StatusError(absl::FailedPreconditionError(
          absl::StrCat(why, "; leave the milestone ", value, " out")));
    }
    reporter_->say(absl::StrCat(why, ", and is left out"));
    return go_back();
  }
  const Gates gates = pruner.settle(trainer, meet_target(value, trainer, pruner));
  refit(gates, trainer);
  Milestone taken;
  taken.value = value;
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
  go_back();
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
  // Exits are trained on the model that is chosen, and may cost their part afterwards.
  const double left =
      recipe_.max_metric_drop - (exit_ != nullptr ? recipe_.exit_max_metric_drop : 0);
  // From the smallest model on.
  std::vector<std::string> sizes = {kCompressed};
  for (size_t i = state_.milestones.size(); i > 0; --i) sizes.push_back(milestone_role(i - 1));
  Json& tried = state_.facts["choose"]["tried"] = Json::array();
  std::vector<std::string> told;
  for (const std::string& role : sizes) {
    const std::optional<size_t> milestone = milestone_of(role);
    const double value = milestone ? state_.milestones[*milestone].value : recipe_.target.value;
    MetricDrop drop = drop_between(dense, answers_of_role(role), splits_.select);
    drop.allowed = left;
    tried.push_back(drop.to_json());
    tried.back()["value"] = value;
    told.push_back(absl::StrCat(value, ": ", drop.drop()));
    if (!drop.holds()) continue;
    state_.facts["choose"]["chosen"] = value;
    if (milestone) state_.model = std::move(state_.milestones[*milestone].model);
    state_.milestones.clear();
    return;
  }
  throw StatusError(absl::FailedPreconditionError(absl::StrCat(
      "no size keeps the constraint of ", left,
      exit_ != nullptr ? " points (what exits may not cost of it)" : " points",
      " on the select split; the target's values that were tried, and what each lost: ",
      absl::StrJoin(told, ", "),
      "; add a milestone that is nearer to the dense model, train "
      "longer, or allow more")));
}

}  // namespace espalier
