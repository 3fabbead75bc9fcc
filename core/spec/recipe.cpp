#include "core/spec/recipe.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"

namespace espalier {
namespace {

constexpr int kUsualLength = 128;  // tokens
// Named instead of a method to leave its kind out, since an empty list or message cannot be told
// from an unset one.
constexpr char kNone[] = "none";

// --- training ---

TrainingSpec training_defaults(double epochs, double learning_rate) {
  TrainingSpec out;
  out.epochs = epochs;
  out.learning_rate = learning_rate;
  return out;
}

bool trains(const TrainingSpec& spec) { return spec.epochs > 0 || spec.steps > 0; }

// --- methods ---

bool is_none(const Json& choice) {
  if (!choice.is_object()) return false;
  auto name = choice.find("name");
  return name != choice.end() && name->is_string() && name->get<std::string>() == kNone;
}
Json none() { return {{"name", kNone}}; }

// The written choice, or else the default one, resolved.
absl::StatusOr<Json> resolve_choice(const Catalogue& catalogue, const char* kind,
                                    const Json* written, const char* fallback) {
  const Json choice = written && !written->empty() ? *written : Json{{"name", fallback}};
  if (is_none(choice)) return none();
  return catalogue.resolve(kind, choice);
}

absl::StatusOr<Json> resolve_distillers(const Catalogue& catalogue, const Json* written,
                                        const char* fallback) {
  if (written && !written->is_array())
    return absl::InvalidArgumentError("distillers must be a list of {name, options}");
  const Json list =
      written && !written->empty() ? *written : Json::array({Json{{"name", fallback}}});
  Json out = Json::array();
  for (const Json& choice : list) {
    if (is_none(choice)) {
      if (list.size() > 1)
        return absl::InvalidArgumentError(
            "distillers names \"none\" beside others; leave one of them out");
      return Json::array({none()});
    }
    ESPALIER_ASSIGN_OR_RETURN(Json resolved, catalogue.resolve("distiller", choice));
    for (const Json& other : out) {
      if (other["name"] == resolved["name"]) {
        return absl::InvalidArgumentError(
            absl::StrCat("distillers names ", resolved["name"].get<std::string>(), " twice"));
      }
    }
    out.push_back(std::move(resolved));
  }
  return out;
}

absl::StatusOr<MethodChoice> read_choice(const Json& json, const std::string& where) {
  MethodChoice out;
  if (is_none(json)) return out;
  Fields fields(json, where);
  fields.string("name", out.name);
  if (const Json* options = fields.find("options")) out.options = *options;
  if (!out.options.is_object())
    fields.fail(absl::StrCat(fields.path("options"), " must be an object"));
  ESPALIER_RETURN_IF_ERROR(fields.status());
  return out;
}

// --- the whole ---

// Everything but the methods. Phases take the epochs that `spec` holds where nothing is written.
absl::Status read_plain(const Json& json, RecipeSpec& spec) {
  Fields fields(json);
  fields.refuse_unknown({"recipe", "target", "constraint", "pruner", "distillers", "exit",
                         "finetune", "prune", "recover", "exits", "calibration", "precision",
                         "max_length", "seed", "refit"});
  fields.string("recipe", spec.recipe);
  if (spec.recipe.empty()) spec.recipe = "auto";
  if (spec.recipe != "auto" && spec.recipe != "dense") {
    fields.fail(absl::StrCat("unknown recipe \"", spec.recipe, "\"; known: auto, dense"));
  }
  std::string precision;
  fields.string("precision", precision);
  if (const auto known = precision_named(precision)) {
    spec.precision = *known;
  } else if (!precision.empty()) {
    fields.fail(absl::StrCat("unknown precision \"", precision, "\"; known: ", known_precisions()));
  }
  fields.boolean("refit", spec.refit);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  ESPALIER_ASSIGN_OR_RETURN(spec.target, read_target(fields.child("target")));

  Fields constraint(fields.child("constraint"), "constraint");
  constraint.refuse_unknown({"max_metric_drop", "metric", "search", "confidence"});
  constraint.number("max_metric_drop", spec.max_metric_drop, {0, 100});
  constraint.boolean("search", spec.search);
  constraint.number("confidence", spec.confidence, {0, 1, false, true});
  constraint.string("metric", spec.constraint_metric);  // the task's to check, see deciding_metrics
  fields.check(constraint.status());
  Fields calibration(fields.child("calibration"), "calibration");
  calibration.refuse_unknown({"max_metric_drop"});
  calibration.number("max_metric_drop", spec.exit_max_metric_drop, {0, 100});
  fields.check(calibration.status());

  int64_t max_length = 0, seed = 0;  // 0 is proto's unset
  fields.integer("max_length", max_length, 0, 8192);
  fields.integer("seed", seed, 0, UINT32_MAX);
  if (max_length > 0 && max_length < 8) {
    fields.fail(absl::StrCat("max_length is ", max_length, "; it must be between 8 and 8192"));
  }
  if (max_length > 0) spec.max_length = static_cast<int>(max_length);
  if (seed > 0) spec.seed = static_cast<uint64_t>(seed);
  ESPALIER_RETURN_IF_ERROR(fields.status());

  ESPALIER_ASSIGN_OR_RETURN(spec.finetune,
                            read_training(fields.child("finetune"), "finetune", spec.finetune));
  ESPALIER_ASSIGN_OR_RETURN(spec.prune, read_training(fields.child("prune"), "prune", spec.prune));
  ESPALIER_ASSIGN_OR_RETURN(spec.recover,
                            read_training(fields.child("recover"), "recover", spec.recover));
  ESPALIER_ASSIGN_OR_RETURN(spec.exits, read_training(fields.child("exits"), "exits", spec.exits));
  if (spec.prune.patience > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("prune.patience is ", spec.prune.patience,
                     "; it must be 0, because states are not compared while units leave; "
                     "recover.patience ends the training after that early"));
  }
  if (spec.exits.patience > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("exits.patience is ", spec.exits.patience,
                     "; it must be 0, because exits are not selected by a metric; lower "
                     "exits.epochs instead"));
  }
  return absl::OkStatus();
}

Json write_resolved(const RecipeSpec& spec, Json pruner, Json distillers, Json exit) {
  Json out = {{"recipe", spec.recipe},
              {"pruner", std::move(pruner)},
              {"distillers", std::move(distillers)},
              {"exit", std::move(exit)},
              {"finetune", write_training(spec.finetune)},
              {"prune", write_training(spec.prune)},
              {"recover", write_training(spec.recover)},
              {"exits", write_training(spec.exits)},
              {"calibration", {{"max_metric_drop", spec.exit_max_metric_drop}}},
              {"precision", precision_name(spec.precision)},
              {"seed", spec.seed}};
  if (spec.target.kind != TargetKind::kNone) out["target"] = write_target(spec.target);
  if (spec.max_metric_drop >= 0) out["constraint"] = {{"max_metric_drop", spec.max_metric_drop}};
  if (spec.search) out["constraint"]["search"] = true;
  if (spec.confidence > 0) out["constraint"]["confidence"] = spec.confidence;
  if (!spec.constraint_metric.empty()) out["constraint"]["metric"] = spec.constraint_metric;
  if (spec.max_length) out["max_length"] = *spec.max_length;
  if (spec.refit) out["refit"] = true;
  return out;
}

RecipeSpec auto_defaults() {
  RecipeSpec spec;
  spec.finetune = training_defaults(2, 5e-5);
  spec.prune = training_defaults(1.5, 5e-5);
  spec.recover = training_defaults(1.5, 5e-5);
  spec.exits = training_defaults(1, 1e-3);
  return spec;
}

// The exit method of a recipe that names none.
const char* usual_exit(const std::optional<TaskKind>& task) {
  static constexpr char kUsual[] = "deebert";
  return !task || check_exit_method(*task, kUsual).ok() ? kUsual : kNone;
}

// A search for the smallest model that keeps a drop tries some sizes, which may be named.
absl::Status fill_search(RecipeSpec& spec) {
  if (!spec.search) return absl::OkStatus();
  if (spec.max_metric_drop < 0) {
    return absl::InvalidArgumentError(
        "constraint.search looks for the smallest model that keeps constraint.max_metric_drop, "
        "which is not set; say how many points may be lost, 1 for example");
  }
  if (spec.target.kind == TargetKind::kNone) {
    spec.target = {TargetKind::kSparsity, 0.95};
    spec.target.milestones = {0.5, 0.6, 0.7, 0.8, 0.9};
  }
  if (!spec.target.milestones.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "constraint.search chooses among target.milestones and the target, but there are no "
      "milestones; name some, or leave the target out to try sparsities from 0.5 to 0.95");
}

// Exits are trained for one model, have sizes of their own, and cost some of the metric: what in a
// recipe they do not go with, or nothing.
std::string exit_clash(const RecipeSpec& spec) {
  if (spec.search) {
    if (spec.exit_max_metric_drop < spec.max_metric_drop) return "";
    return "constraint.search, where exits may cost as much of the metric "
           "(calibration.max_metric_drop) as the whole model";
  }
  if (!spec.target.milestones.empty())
    return "target.milestones, which publishes several models: exits are trained for one";
  if (spec.target.kind == TargetKind::kParameters || spec.target.kind == TargetKind::kBytes)
    return "a target that counts the whole file, to which exits would add";
  return "";
}

// Where none are named: a search takes them only where somebody asks.
bool leaves_exits_out(const RecipeSpec& spec) { return spec.search || !exit_clash(spec).empty(); }

absl::StatusOr<Json> resolve_auto(const Json& written, RecipeSpec spec, const Catalogue& catalogue,
                                  const std::optional<TaskKind>& task) {
  ESPALIER_RETURN_IF_ERROR(fill_search(spec));
  if (spec.target.kind == TargetKind::kNone) {
    return absl::InvalidArgumentError(
        "recipe \"auto\" needs a target, for example target.sparsity 0.6 (remove 60 % of the "
        "encoder's parameters), or a constraint with search, which finds one; recipe \"dense\" "
        "needs none");
  }
  if (spec.confidence > 0 && spec.max_metric_drop < 0) {
    return absl::InvalidArgumentError(
        "constraint.confidence says how surely constraint.max_metric_drop has to hold, which is "
        "not set");
  }
  Fields fields(written);
  const bool prunes = spec.target.value > 0;
  ESPALIER_ASSIGN_OR_RETURN(Json pruner, resolve_choice(catalogue, "pruner", fields.find("pruner"),
                                                        prunes ? "taylor" : kNone));
  ESPALIER_ASSIGN_OR_RETURN(
      Json distillers, resolve_distillers(catalogue, fields.find("distillers"), "soft_labels"));
  ESPALIER_ASSIGN_OR_RETURN(Json exit,
                            resolve_choice(catalogue, "exit", fields.find("exit"),
                                           leaves_exits_out(spec) ? kNone : usual_exit(task)));
  if (const std::string clash = exit_clash(spec); !clash.empty() && !is_none(exit)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an exit method does not go with ", clash,
        "; set exit to \"none\", and train exits on the artifact in a job of its own"));
  }
  if (prunes && is_none(pruner)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the target is ", write_target(spec.target).dump(),
                     ", but the pruner is \"none\"; name a pruner, or set target.sparsity to 0"));
  }
  if (is_none(pruner) && spec.refit) {
    return absl::InvalidArgumentError(
        "refit solves what a pruner leaves, and there is no pruner; leave it out");
  }
  // Phases without their method: off by default, and a contradiction when asked for.
  auto drop_phase = [&](const char* phase, const char* kind,
                        TrainingSpec& training) -> absl::Status {
    const Json& asked = fields.child(phase);
    if ((asked.contains("epochs") || asked.contains("steps")) && trains(training)) {
      return absl::InvalidArgumentError(absl::StrCat(phase, " asks for training, but there is no ",
                                                     kind, "; set ", phase, ".epochs to 0"));
    }
    training.epochs = 0;
    return absl::OkStatus();
  };
  if (is_none(pruner)) ESPALIER_RETURN_IF_ERROR(drop_phase("prune", "pruner", spec.prune));
  if (is_none(exit)) ESPALIER_RETURN_IF_ERROR(drop_phase("exits", "exit method", spec.exits));
  if (is_none(pruner) && !fields.child("recover").contains("epochs")) spec.recover.epochs = 0;
  return write_resolved(spec, std::move(pruner), std::move(distillers), std::move(exit));
}

absl::StatusOr<Json> resolve_dense(const Json& written, RecipeSpec spec) {
  for (const auto& [asked, name] :
       {std::pair(spec.refit, "refit"), std::pair(spec.search, "constraint.search"),
        std::pair(spec.confidence > 0, "constraint.confidence")}) {
    if (!asked) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("recipe \"dense\" changes nothing, so ", name,
                     " has no place in it; leave it out or use recipe \"auto\""));
  }
  Fields fields(written);
  for (const char* kind : {"target", "pruner", "exit"}) {
    if (const Json& json = fields.child(kind); !json.empty() && !is_none(json)) {
      return absl::InvalidArgumentError(
          absl::StrCat("recipe \"dense\" changes nothing, so ", kind,
                       " has no place in it; leave it out or use recipe \"auto\""));
    }
  }
  for (const Json& distiller : fields.child("distillers")) {
    if (is_none(distiller)) continue;
    return absl::InvalidArgumentError(
        "recipe \"dense\" changes nothing, so distillers have no place in it; leave them out or "
        "use recipe \"auto\"");
  }
  for (TrainingSpec* training : {&spec.prune, &spec.recover, &spec.exits}) {
    training->epochs = 0;
    training->steps = 0;
  }
  return write_resolved(spec, none(), Json::array({none()}), none());
}

absl::StatusOr<RecipeSpec> read_recipe_checked(const Json& resolved) {
  RecipeSpec spec = auto_defaults();
  ESPALIER_RETURN_IF_ERROR(read_plain(resolved, spec));
  Fields fields(resolved);
  ESPALIER_ASSIGN_OR_RETURN(spec.pruner, read_choice(fields.child("pruner"), "pruner"));
  ESPALIER_ASSIGN_OR_RETURN(spec.exit, read_choice(fields.child("exit"), "exit"));
  for (const Json& json : fields.child("distillers")) {
    ESPALIER_ASSIGN_OR_RETURN(MethodChoice choice, read_choice(json, "distillers"));
    if (!choice.name.empty()) spec.distillers.push_back(std::move(choice));
  }
  return spec;
}

}  // namespace

absl::StatusOr<Json> resolve_recipe(const Json& written, const Catalogue& catalogue,
                                    const std::optional<TaskKind>& task) {
  return guard("resolving the recipe", [&]() -> absl::StatusOr<Json> {
    RecipeSpec spec = auto_defaults();
    ESPALIER_RETURN_IF_ERROR(read_plain(written, spec));
    return spec.recipe == "dense" ? resolve_dense(written, std::move(spec))
                                  : resolve_auto(written, std::move(spec), catalogue, task);
  });
}

absl::StatusOr<RecipeSpec> read_recipe(const Json& resolved) {
  return guard("reading the recipe", [&] { return read_recipe_checked(resolved); });
}

absl::StatusOr<int> text_length(const RecipeSpec& recipe, int positions) {
  if (!recipe.max_length) return std::min(kUsualLength, positions);
  if (*recipe.max_length <= positions) return *recipe.max_length;
  return absl::InvalidArgumentError(
      absl::StrCat("max_length is ", *recipe.max_length, ", but the model has positions for ",
                   positions, " tokens; ask for at most ", positions, ", or leave max_length out"));
}

}  // namespace espalier
