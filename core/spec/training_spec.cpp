#include "core/spec/training_spec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"

namespace espalier {
namespace {

constexpr std::pair<const char*, OptimiserKind> kOptimisers[] = {
    {"adamw", OptimiserKind::kAdamW}, {"adamax", OptimiserKind::kAdamax}};
constexpr std::pair<const char*, ScheduleKind> kSchedules[] = {
    {"linear", ScheduleKind::kLinear},
    {"cosine", ScheduleKind::kCosine},
    {"constant", ScheduleKind::kConstant},
    {"cyclic", ScheduleKind::kCyclic}};

// One of a table's names; empty, which is proto's unset, leaves `out` as it was.
template <class T, size_t n>
void read_name(Fields& fields, const char* field, const std::pair<const char*, T> (&table)[n],
               T& out) {
  std::string written;
  fields.string(field, written);
  if (written.empty()) return;
  std::string known;
  for (const auto& [name, value] : table) {
    if (written == name) {
      out = value;
      return;
    }
    absl::StrAppend(&known, known.empty() ? "" : ", ", name);
  }
  fields.fail(absl::StrCat(fields.path(field), " is \"", written, "\"; known: ", known));
}

template <class T, size_t n>
const char* name_of(const std::pair<const char*, T> (&table)[n], T value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "";
}

void read_precision(Fields& fields, Precision& out) {
  std::string written;
  fields.string("precision", written);
  if (written.empty()) return;
  const auto known = precision_named(written);
  if (known && can_train(*known)) {
    out = *known;
    return;
  }
  fields.fail(absl::StrCat(fields.path("precision"), " is \"", written,
                           "\"; known in training: ", trained_precisions(),
                           known ? "; what is published is the recipe's own precision" : ""));
}

void read_optimiser(Fields& fields, TrainingSpec& out) {
  read_name(fields, "optimiser", kOptimisers, out.optimiser);
  fields.number("learning_rate", out.learning_rate, {0, 1, true, false});
  fields.number("weight_decay", out.weight_decay, {0, 1});
  fields.number("beta1", out.beta1, {0, 1, false, true});
  fields.number("beta2", out.beta2, {0, 1, false, true});
  fields.number("eps", out.eps, {0, 1, true, false});
  fields.number("clip", out.clip, {0, 1e6});
}

void read_schedule(Fields& fields, TrainingSpec& out) {
  read_name(fields, "schedule", kSchedules, out.schedule);
  fields.number("warmup", out.warmup, {0, 1});
  fields.integer("warmup_steps", out.warmup_steps, 0, 1'000'000'000);
  fields.number("cycles", out.cycles, {0, 1e6, true, false});
  fields.number("cycle_rise", out.cycle_rise, {0, 1});
  fields.number("cycle_floor", out.cycle_floor, {0, 1});
  if (out.schedule == ScheduleKind::kCyclic) return;
  for (const char* field : {"cycles", "cycle_rise", "cycle_floor"}) {
    if (!fields.has(field)) continue;
    fields.fail(absl::StrCat(fields.path(field), " has no place in the schedule \"",
                             name_of(kSchedules, out.schedule), "\"; leave it out or let ",
                             fields.path("schedule"), " be \"cyclic\""));
  }
}

}  // namespace

absl::StatusOr<TrainingSpec> read_training(const Json& json, const std::string& phase,
                                           TrainingSpec out) {
  Fields fields(json, phase);
  fields.refuse_unknown({"epochs",
                         "steps",
                         "batch_size",
                         "micro_batch_size",
                         "optimiser",
                         "learning_rate",
                         "weight_decay",
                         "beta1",
                         "beta2",
                         "eps",
                         "clip",
                         "schedule",
                         "warmup",
                         "warmup_steps",
                         "cycles",
                         "cycle_rise",
                         "cycle_floor",
                         "dropout",
                         "evaluate_every",
                         "patience",
                         "ema",
                         "divergence_factor",
                         "precision",
                         "gradient_checkpointing"});
  fields.number("epochs", out.epochs, {0, 1000});
  fields.integer("steps", out.steps, 0, 1'000'000'000);
  fields.integer("batch_size", out.batch_size, 1, 65536);
  out.micro_batch_size = out.batch_size;
  fields.integer("micro_batch_size", out.micro_batch_size, 1, 65536);
  read_optimiser(fields, out);
  read_schedule(fields, out);
  fields.number("dropout", out.dropout, {0, 1, false, true});
  fields.integer("evaluate_every", out.evaluate_every, 0, 1'000'000'000);
  fields.integer("patience", out.patience, 0, 1'000'000);
  fields.number("divergence_factor", out.divergence_factor, {0, 1e6});
  if (out.divergence_factor > 0 && out.divergence_factor < 2) {
    fields.fail(absl::StrCat(fields.path("divergence_factor"), " is ", out.divergence_factor,
                             "; it must be at least 2, or 0 to turn the check off"));
  }
  fields.number("ema", out.ema, {0, 1, false, true});
  read_precision(fields, out.precision);
  fields.boolean("gradient_checkpointing", out.gradient_checkpointing);
  if (fields.status().ok() && out.batch_size % out.micro_batch_size != 0) {
    fields.fail(absl::StrCat(fields.path("batch_size"), " is ", out.batch_size,
                             "; it must be a multiple of micro_batch_size, which is ",
                             out.micro_batch_size));
  }
  ESPALIER_RETURN_IF_ERROR(fields.status());
  return out;
}

Json write_training(const TrainingSpec& spec) {
  Json out = {{"epochs", spec.epochs},
              {"batch_size", spec.batch_size},
              {"micro_batch_size", spec.micro_batch_size},
              {"optimiser", name_of(kOptimisers, spec.optimiser)},
              {"learning_rate", spec.learning_rate},
              {"weight_decay", spec.weight_decay},
              {"beta1", spec.beta1},
              {"beta2", spec.beta2},
              {"eps", spec.eps},
              {"clip", spec.clip},
              {"schedule", name_of(kSchedules, spec.schedule)},
              {"warmup", spec.warmup},
              {"warmup_steps", spec.warmup_steps},
              {"evaluate_every", spec.evaluate_every},
              {"patience", spec.patience},
              {"divergence_factor", spec.divergence_factor},
              {"ema", spec.ema},
              {"precision", precision_name(spec.precision)},
              {"gradient_checkpointing", spec.gradient_checkpointing}};
  if (spec.steps > 0) out["steps"] = spec.steps;
  if (spec.schedule == ScheduleKind::kCyclic) {
    out["cycles"] = spec.cycles;
    out["cycle_rise"] = spec.cycle_rise;
    out["cycle_floor"] = spec.cycle_floor;
  }
  if (spec.dropout >= 0) out["dropout"] = spec.dropout;
  return out;
}

}  // namespace espalier
