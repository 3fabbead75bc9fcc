// The two trainings that a dense model teaches, and the fold between them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/distill/registry.h"
#include "core/job/job.h"
#include "core/model/walk.h"
#include "core/prune/input_moments.h"
#include "core/prune/reachable.h"
#include "core/prune/refit.h"
#include "core/prune/registry.h"
#include "core/train/evaluate.h"

namespace espalier {
namespace {

// What fold may change, on real rows, before the job refuses to go on.
constexpr double kFoldTolerance = 1e-4;

}  // namespace

Job::Distillers Job::make_distillers(const std::vector<State>& states) const {
  Distillers out;
  for (const MethodChoice& choice : recipe_.distillers) {
    out.push_back(value_or_throw(distillers().make(choice.name, choice.options)));
    if (!states.empty()) out.back()->load(states.at(out.size() - 1));
  }
  return out;
}

// What would cost an hour to find out.
void Job::check_pruning() {
  const TargetSpec& target = recipe_.target;
  if (aims_at_time() && target.tokens > 0) {
    const bool images = state_.model.config.reads_images();
    if (images || target.tokens > max_length_) {
      throw StatusError(absl::InvalidArgumentError(absl::StrCat(
          "the target's profile.length is ", target.tokens,
          images ? ", but an image has as many tokens as its model makes of it; leave it out"
                 : absl::StrCat(", but the job's max_length is ", max_length_,
                                "; ask for at most that, or for a max_length that is longer"))));
    }
  }
  if (!aims_at_time()) check_aim();  // else when times are there
  if (recipe_.refit) {
    const auto pruner = value_or_throw(pruners().make(recipe_.pruner.name, recipe_.pruner.options));
    throw_if_error(
        pruner->closes_units()
            ? check_solvable("refit", state_.model.config)
            : absl::InvalidArgumentError(absl::StrCat(
                  "refit solves whole matrices, but what the pruner ", recipe_.pruner.name,
                  " leaves of one, with these options, has single "
                  "weights closed or is two factors; leave refit out, or take a pruner "
                  "of heads and neurons")));
  }
  if (recipe_.distillers.empty()) return;
  double first = 1, last = 1;
  bool answers = false;
  for (const auto& distiller : make_distillers({})) {
    first *= distiller->task_weight(Step{0, 1000, {}});
    last *= distiller->task_weight(Step{999, 1000, {}});
    answers = answers || distiller->needs().answers;
  }
  if (answers || first > 0 || last > 0) return;
  throw StatusError(absl::InvalidArgumentError(
      "no distiller of this recipe teaches the task head, and together they leave the loss on the "
      "labels out; add soft_labels, or give them a task_weight above 0"));
}

Training Job::taught(const std::string& phase, const TrainingSpec& spec,
                     const Distillers& distillers) {
  Training out;
  out.phase = phase;
  out.spec = spec;
  for (const Teacher& teacher : teachers()) out.teachers.push_back(&teacher);
  for (const auto& distiller : distillers) out.distillers.push_back(distiller.get());
  return out;
}

void Job::prune() {
  auto pruner = value_or_throw(pruners().make(recipe_.pruner.name, recipe_.pruner.options));
  pruner->aim(aim_with_stop());
  const Distillers owned = make_distillers({});
  Training training = taught("prune", recipe_.prune, owned);
  training.select = &splits_.select;
  training.pruner = pruner.get();
  Trainer* trainer = train(training, state_.model, [&](Trainer& running) {
    if (!pruner->has_all_sizes()) pass_milestones(running, *pruner, owned);
  });
  pass_milestones(*trainer, *pruner, owned);
  pruner->finish(*trainer);  // anew, where a milestone was its last aim
  const Gates gates =
      pruner->settle(*trainer, meet_target(recipe_.target.value, *trainer, *pruner));
  refit(gates, *trainer);
  FoldMap map;
  state_.model = fold_proven(gates, map);
  // What distillers have learnt goes on in recovery.
  trainer->folded(map);
  state_.distillers.clear();
  for (const auto& distiller : owned) distiller->save(state_.distillers.emplace_back());
  trainer_.reset();
}

void Job::refit(const Gates& gates, const Trainer& trainer) {
  if (!recipe_.refit) return;
  constexpr int64_t kRows = 1024;
  int64_t draw = 0;
  const auto metric = [&] { return first_metric(state_.model, gates, splits_.select, *task_); };
  const Model kept = state_.model.clone();
  const double before = metric();
  refit_outputs(state_.model, gates, *state_.dense, sample_rows(trainer, kRows, draw));
  const double after = metric();
  if (!(after >= before)) state_.model.copy_values(kept);
  state_.facts["prune"]["refits"].push_back(
      {{"before", before}, {"after", after}, {"kept", after >= before}});
}

Model Job::fold_proven(const Gates& gates, FoldMap& map) {
  torch::NoGradGuard no_grad;
  std::vector<int64_t> rows;  // of the select split
  for (int64_t i = 0; i < std::min<int64_t>(64, splits_.select.size()); ++i) rows.push_back(i);
  const Batch batch = make_batch(splits_.select, rows, false);
  TrainBackend gated(state_.model);
  const Tensor before = walk(gated, batch, gates).logits;
  Model folded = fold(state_.model, gates, &map);
  TrainBackend plain(folded);
  const double gap = (walk(plain, batch).logits - before).abs().max().item<double>();
  if (!(gap <= kFoldTolerance)) {
    throw StatusError(absl::InternalError(absl::StrCat(
        "folding changed the logits by ", gap, "; at most ", kFoldTolerance, " is allowed")));
  }
  Json& most = state_.facts["prune"]["fold_gap"];
  most = std::max(gap, most.is_null() ? 0.0 : most.get<double>());
  return folded;
}

void Job::recover(const std::string& phase, Model& model, const std::vector<State>& learnt) {
  const Distillers owned = make_distillers(learnt);
  Training training = taught(phase, recipe_.recover, owned);
  training.select = &splits_.select;
  train(training, model);
  trainer_.reset();
}

}  // namespace espalier
