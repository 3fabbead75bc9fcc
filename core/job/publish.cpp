#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/artifact/as_stored.h"
#include "core/base/build.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/job/job.h"
#include "core/model/walk.h"
#include "core/picture/pictures.h"
#include "core/runtime/engine.h"
#include "core/runtime/packed_backend.h"

namespace espalier {
namespace {

constexpr int64_t kGoldenRows = 8;

// As the data set's field has them, but all of them.
Json class_weights_json(const ClassWeights& asked, const std::vector<double>& weights,
                        const std::vector<std::string>& labels) {
  Json by_name = Json::object();
  for (size_t id = 0; id < weights.size(); ++id) by_name[labels[id]] = weights[id];
  return {{"balanced", asked.balanced}, {"weights", by_name}};
}

}  // namespace

std::vector<std::string> Job::roles() const {
  return compresses() ? std::vector<std::string>{kCompressed, kDense}
                      : std::vector<std::string>{kDense};
}

std::string Job::folder(const std::string& role) const {
  if (role == kInFp32) return absl::StrCat(input_.output_folder, "/", kInFp32);
  bool first = role == roles().front();
  return absl::StrCat(input_.output_folder, "/", first ? 0 : 1);
}

const Model& Job::model(const std::string& role) const {
  return role == kCompressed ? state_.model : *state_.dense;
}

Precision Job::precision(const std::string& role) const {
  return role == roles().front() ? recipe_.precision : Precision::kFp32;
}

ArtifactSpec Job::artifact_spec(const std::string& role, Precision precision) const {
  ArtifactSpec spec;
  spec.task = task_->name();
  spec.label_names = splits_.label_names;
  spec.max_length = max_length_;
  spec.precision = precision;
  if (role == kCompressed && exit_ != nullptr) {
    auto classes = static_cast<int>(splits_.label_names.size());
    auto layers = static_cast<int>(state_.model.layers.size());
    ExitMethod::Range range = exit_->range(classes, layers);
    double careful = exit_->candidates(classes, layers).front();
    double threshold = state_.facts.contains("calibrate")
                           ? state_.facts["calibrate"].value("threshold", careful)
                           : careful;
    spec.exit = ExitSpec{recipe_.exit.name, threshold, range.low, range.high};
  }
  return spec;
}

Golden Job::golden(const Model& stored, Precision precision) const {
  torch::NoGradGuard no_grad;
  const Examples& report = splits_.report;
  Golden out;
  for (int64_t i = 0; i < std::min(kGoldenRows, report.size()); ++i)
    out.inputs.push_back(report.input(i).copy());
  TrainBackend backend(stored);
  const Trace trace = walk(backend, out.batch());
  out.logits = trace.logits;
  out.sentence_logits = trace.sentence_logits;
  if (precision == Precision::kFp32) return out;
  const runtime::Plan plan = runtime::make_plan(stored, precision);
  runtime::PackedBackend twin(plan);
  const Trace rounded = walk(twin, out.batch());
  out.slack = std::max(
      value_or_throw(slack_between(out.logits, rounded.logits, precision)),
      value_or_throw(slack_between(out.sentence_logits, rounded.sentence_logits, precision)));
  return out;
}

void Job::save(const std::string& role, Precision precision, const std::string& folder) const {
  const Model stored = as_stored(model(role), precision);
  throw_if_error(save_artifact(folder, stored, artifact_spec(role, precision), input_.model_folder,
                               golden(stored, precision)));
}

// Whoever needs them first: from calibrate() on nothing trains any more, and it puts the threshold
// that it chooses into what is saved itself.
void Job::save_artifacts() {
  if (artifacts_saved_) return;
  for (const std::string& role : roles()) save(role, precision(role), folder(role));
  artifacts_saved_ = true;
}

JobOutput Job::publish() {
  const Json& measured = state_.facts.at("evaluate");
  Json report = {{"schema", 1},
                 {"job", input_.job_name},
                 {"task", task_->name()},
                 {"recipe", input_.recipe},
                 {"seed", recipe_.seed},
                 {"commit", commit()},
                 {"machine", machine_description()},
                 {"compute_classes", state_.facts.at("compute_classes")},
                 {"resumed", resumed_},
                 {"phases", Json::array()}};
  for (const Phase& phase : plan()) {
    Json facts = state_.facts.at(phase.name);
    if (std::string(phase.name) == "evaluate") facts = {{"seconds", facts.at("seconds")}};
    facts["name"] = phase.name;
    report["phases"].push_back(facts);
  }
  Json splits = Json::object(), digests = Json::object();
  if (labelled_) {
    splits = {{"train", splits_.train.size()},
              {"select", splits_.select.size()},
              {"calibrate", splits_.calibrate.size()},
              {"report", splits_.report.size()},
              {"unlabelled", splits_.unlabelled.size()}};
    for (const auto& [split, path] : input_.dataset->splits) {
      digests[split] = value_or_throw(split_digest(*input_.dataset, split));
    }
  }
  int64_t truncated = 0, left_out = 0;
  for (const Examples* examples : splits_.each()) {
    truncated += examples->truncated;
    left_out += examples->left_out;
  }
  if (measured.contains("constraint")) report["constraint"] = measured["constraint"];
  report["data"] = {{"splits", splits},          {"sha256", digests},
                    {"max_length", max_length_}, {"truncated", truncated},
                    {"left_out", left_out},      {"mean_tokens", measured.at("mean_tokens")}};
  if (!class_weights_.empty()) {
    report["data"]["class_weights"] =
        class_weights_json(input_.dataset->class_weights, class_weights_, splits_.label_names);
  }
  for (const std::string& role : roles()) report[role] = measured.at(role);
  for (const char* also :
       {kInFp32, "target", "paired_test", "precision_test", "precision_cost", "precision_gap"})
    if (measured.contains(also)) report[also] = measured[also];

  JobOutput out;
  save_artifacts();
  const std::vector<Picture> pictures = pictures_of(report);
  for (const std::string& role : roles()) {
    throw_if_error(write_file(folder(role) + "/report.json", report.dump(2) + "\n"));
    throw_if_error(write_file(folder(role) + "/README.md", model_card(report, role)));
    for (const Picture& one : pictures)
      throw_if_error(write_file(absl::StrCat(folder(role), "/", one.file), one.svg));
    out.artifacts.push_back({folder(role), task_->name(), summary_of(report, role)});
  }
  return out;
}

}  // namespace espalier
