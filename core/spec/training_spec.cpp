#include "core/spec/training_spec.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"

namespace espalier {

absl::StatusOr<TrainingSpec> read_training(const Json& json, const std::string& phase,
                                           TrainingSpec out) {
  Fields fields(json, phase);
  fields.refuse_unknown({"epochs", "steps", "batch_size", "micro_batch_size", "learning_rate",
                         "weight_decay", "warmup", "clip", "dropout"});
  fields.number("epochs", out.epochs, {0, 1000});
  fields.integer("steps", out.steps, 0, 1'000'000'000);
  fields.integer("batch_size", out.batch_size, 1, 65536);
  out.micro_batch_size = out.batch_size;
  fields.integer("micro_batch_size", out.micro_batch_size, 1, 65536);
  fields.number("learning_rate", out.learning_rate, {0, 1, true, false});
  fields.number("weight_decay", out.weight_decay, {0, 1});
  fields.number("warmup", out.warmup, {0, 1});
  fields.number("clip", out.clip, {0, 1e6});
  fields.number("dropout", out.dropout, {0, 1, false, true});
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
              {"learning_rate", spec.learning_rate},
              {"weight_decay", spec.weight_decay},
              {"warmup", spec.warmup},
              {"clip", spec.clip}};
  if (spec.steps > 0) out["steps"] = spec.steps;
  if (spec.dropout >= 0) out["dropout"] = spec.dropout;
  return out;
}

}  // namespace espalier
