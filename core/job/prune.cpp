// The two trainings that a dense model teaches, and the fold between them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/distill/registry.h"
#include "core/job/job.h"
#include "core/model/walk.h"
#include "core/prune/registry.h"

namespace espalier {
namespace {

// What fold may change, on real rows, before the job refuses to go on.
constexpr double kFoldTolerance = 1e-4;

using Distillers = std::vector<std::unique_ptr<Distiller>>;

// `states`: what the same ones had learnt in an earlier phase, or none.
Distillers make_distillers(const RecipeSpec& recipe, const std::vector<State>& states) {
  Distillers out;
  for (const MethodChoice& choice : recipe.distillers) {
    out.push_back(value_or_throw(distillers().make(choice.name, choice.options)));
    if (!states.empty()) out.back()->load(states.at(out.size() - 1));
  }
  return out;
}

Training taught(const char* phase, const TrainingSpec& spec, const Teacher& teacher,
                const Distillers& distillers) {
  Training out;
  out.phase = phase;
  out.spec = spec;
  out.teachers = {&teacher};
  for (const auto& distiller : distillers) out.distillers.push_back(distiller.get());
  return out;
}

}  // namespace

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
  if (recipe_.distillers.empty()) return;
  double first = 1, last = 1;
  bool answers = false;
  for (const auto& distiller : make_distillers(recipe_, {})) {
    first *= distiller->task_weight(Step{0, 1000, {}});
    last *= distiller->task_weight(Step{999, 1000, {}});
    answers = answers || distiller->needs().answers;
  }
  if (answers || first > 0 || last > 0) return;
  throw StatusError(absl::InvalidArgumentError(
      "no distiller of this recipe teaches the task head, and together they leave the loss on the "
      "labels out; add soft_labels, or give them a task_weight above 0"));
}

void Job::prune() {
  auto pruner = value_or_throw(pruners().make(recipe_.pruner.name, recipe_.pruner.options));
  const Aim aim = this->aim();
  pruner->aim(aim);
  auto owned = make_distillers(recipe_, {});
  const Teacher teacher{*state_.dense, "dense"};
  Training training = taught("prune", recipe_.prune, teacher, owned);
  training.select = &splits_.select;
  training.pruner = pruner.get();
  Trainer* trainer = train(training);
  Gates gates = meet_target(aim, *trainer, *pruner);

  // The proof that folding changed nothing, on rows of the select split.
  torch::NoGradGuard no_grad;
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < std::min<int64_t>(64, splits_.select.size()); ++i) rows.push_back(i);
  Batch batch = make_batch(splits_.select, rows, false);
  TrainBackend gated(state_.model);
  Tensor before = walk(gated, batch, gates).logits;
  FoldMap map;
  Model folded = fold(state_.model, gates, &map);
  TrainBackend plain(folded);
  double gap = (walk(plain, batch).logits - before).abs().max().item<double>();
  if (!(gap <= kFoldTolerance)) {
    throw StatusError(absl::InternalError(absl::StrCat(
        "folding changed the logits by ", gap, "; at most ", kFoldTolerance, " is allowed")));
  }
  state_.facts["prune"]["fold_gap"] = gap;
  state_.model = std::move(folded);
  // What distillers have learnt goes on in recovery.
  trainer->folded(map);
  state_.distillers.clear();
  for (const auto& distiller : owned) distiller->save(state_.distillers.emplace_back());
  trainer_.reset();
}

void Job::recover() {
  auto owned = make_distillers(recipe_, state_.distillers);
  const Teacher teacher{*state_.dense, "dense"};
  Training training = taught("recover", recipe_.recover, teacher, owned);
  training.select = &splits_.select;
  train(training);
  trainer_.reset();
}

}  // namespace espalier
