#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/data/example_cache.h"
#include "core/job/job.h"
#include "core/spec/families.h"
#include "core/spec/image_split.h"

namespace espalier {
namespace {

int64_t inputs_of(const Splits& splits) {
  int64_t out = 0;
  for (const Examples* examples : splits.each()) out += examples->size();
  return out;
}

}  // namespace

// What is in the cache was inspected and encoded once, from the same bytes.
void Job::load_data() {
  DatasetSpec spec = *input_.dataset;
  const ModelConfig& config = state_.model.config;
  throw_if_error(check_reads(value_or_throw(find_task(spec.task)), reads_of(config),
                             facts_of(config).model_type));
  const ExampleCache cache(input_.cache_folder);
  std::string key;
  if (cache.enabled()) key = value_or_throw(examples_key(spec, input_.model_folder, reading()));
  std::optional<Splits> known = cache.find(key);
  if (!known) {
    const DatasetFacts facts = value_or_throw(inspect_dataset(spec));
    throw_if_error(check_pixel_memory(facts.total_rows(), config.channels, config.image_size));
    spec.label_names = facts.label_names;
  } else {
    spec.label_names = known->label_names;
  }
  task_ = value_or_throw(make_task(spec.task, spec.label_names, spec.metric));
  throw_if_error(check_metric(task_->objective(), spec.label_names, recipe_.constraint_metric));
  splits_ = known ? *std::move(known) : value_or_throw(load_splits(spec, *task_, reading()));
  class_weights_ = value_or_throw(weights_by_id(spec.class_weights, task_->objective(),
                                                splits_.train.targets, spec.label_names));
  if (!cache.enabled()) return;
  std::string what = " inputs come from the cache: an earlier job encoded them";
  if (!known) {
    const absl::Status kept = cache.keep(key, splits_);
    what = kept.ok() ? " inputs are encoded, and kept for the next job"
                     : absl::StrCat(" inputs are encoded, but not kept: ", kept.message());
  }
  if (hooks_.log) hooks_.log(absl::StrCat(inputs_of(splits_), what));
}

}  // namespace espalier
