#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "core/artifact/as_stored.h"
#include "core/base/guard.h"
#include "core/job/constraint.h"
#include "core/job/job.h"
#include "core/job/measure.h"
#include "core/runtime/engine.h"
#include "core/runtime/packed_backend.h"

namespace espalier {
namespace {

constexpr int kLatencyRows = 100;
// The batch that is timed beside single rows.
constexpr int kBatchRows = 32, kBatchTokens = 128;
// Of the report split: enough to see one answer in some hundreds change, and little beside an
// evaluation.
constexpr int64_t kGapRows = 512;
constexpr double kUsualConfidence = 0.95;
constexpr int kThresholds = 20;  // candidates that calibration tries

// What the model says to these rows as what is right; without the rows, which no figure needs.
Examples answers_of(const std::vector<Prediction>& predictions) {
  Examples out;
  for (const Prediction& one : predictions)
    out.targets.add(static_cast<float>(largest(one.logits)));
  return out;
}

double nonzero_parameters(const Model& model) {
  double out = 0;
  model.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!name.starts_with("layers.") || name.ends_with(".mask")) return;
    out += tensor.count_nonzero().item<double>();
  });
  // Biases and norms count whether or not they are zero: only weights are pruned one by one.
  model.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!name.starts_with("layers.") || tensor.dim() != 1) return;
    out += static_cast<double>(tensor.numel()) - tensor.count_nonzero().item<double>();
  });
  return out;
}

Json test_json(const PairedTest& test) { return {{"name", test.name}, {"p", test.p_value}}; }

}  // namespace

void Job::calibrate() {
  save_artifacts();
  auto engine = value_or_throw(runtime::Engine::load(folder(kCompressed), {.as_published = true}));
  auto classes = static_cast<int>(splits_.label_names.size());
  std::vector<double> all = exit_->candidates(classes, engine->info().layers);
  std::vector<double> tried;
  for (int i = 0; i < kThresholds; ++i)
    tried.push_back(all[i * (all.size() - 1) / (kThresholds - 1)]);

  // From careful to bold: the boldest before the first that costs too much. Where no label is
  // known, what the last layer says is what is right, and the cost is the share of rows to which an
  // exit says something else.
  const bool labelled = splits_.calibrate.targets.known(0);
  Examples last_layer;
  Json curve = Json::array();
  double full = 0, chosen = tried.front();
  bool holds = true;
  for (int i = 0; i < kThresholds; ++i) {
    auto predictions =
        value_or_throw(predict_all(*engine, splits_.calibrate, *task_, tried[i], [] {}));
    if (i == 0 && !labelled) last_layer = answers_of(predictions);  // nobody left
    const double metric = labelled ? task_->figure(predictions, splits_.calibrate)
                                   : task_->figure(predictions, last_layer, "accuracy");
    if (i == 0) full = metric;
    holds = holds && metric >= full - recipe_.exit_max_metric_drop;
    if (holds) chosen = tried[i];
    curve.push_back({{"threshold", tried[i]},
                     {"metric", metric},
                     {"mean_exit_layer", mean_exit_layer(predictions)}});
    reporter_->step(i + 1, kThresholds, {{"threshold", tried[i]}, {"metric", metric}});
  }
  state_.facts["calibrate"]["threshold"] = chosen;
  state_.facts["calibrate"]["judged_by"] = labelled ? "labels" : kAgreement;
  state_.facts["calibrate"]["curve"] = curve;
  throw_if_error(
      save_spec(folder(kCompressed), artifact_spec(kCompressed, precision(kCompressed))));
}

Job::Subject Job::subject(const std::string& name, const std::string& role,
                          Precision precision) const {
  Subject out;
  out.name = name;
  out.role = role;
  out.folder = folder(name);
  out.engine = value_or_throw(runtime::Engine::load(out.folder, {.as_published = true}));
  if (runtime::products_of(precision, at::kCPU) != precision)
    out.serving = value_or_throw(runtime::Engine::load(out.folder));
  return out;
}

MetricDrop Job::drop_between(const std::vector<Prediction>& dense,
                             const std::vector<Prediction>& made, const Examples& examples) const {
  MetricDrop out;
  out.metric = recipe_.constraint_metric.empty() ? task_->metric() : recipe_.constraint_metric;
  out.before = task_->figure(dense, examples, out.metric);
  out.after = task_->figure(made, examples, out.metric);
  const double confidence = recipe_.confidence > 0 ? recipe_.confidence : kUsualConfidence;
  const PairedTest test = task_->paired_test(made, dense, examples, out.metric, confidence);
  out.low = test.low;
  out.high = test.high;
  out.allowed = recipe_.max_metric_drop;
  out.confidence = recipe_.confidence;
  out.prunes = !recipe_.pruner.name.empty();
  out.exits = exit_ != nullptr;
  out.precision = recipe_.precision;
  return out;
}

void Job::check_constraint(const std::vector<Subject>& subjects) {
  const Subject* wide = subjects.back().name == kInFp32 ? &subjects.back() : nullptr;
  // A dense model in few bits is compared with itself in fp32.
  const Subject* dense = compresses() ? &subjects[roles().size() - 1] : wide;
  if (!labelled_ || recipe_.max_metric_drop < 0 || dense == nullptr) return;
  const Subject& made = subjects.front();
  const auto answers = [&](const Subject& subject) {
    const double own = std::numeric_limits<double>::quiet_NaN();
    return value_or_throw(predict_all(*subject.engine, splits_.select, *task_, own, [] {}));
  };
  Json& said = state_.facts["evaluate"]["constraint"];
  said = {{"asked", recipe_.max_metric_drop}};
  const auto check = [&](MetricDrop drop, const char* split, const auto& in_fp32) {
    drop.split = split;
    said[split] = drop.to_json();
    if (wide != nullptr && !drop.holds()) {
      const MetricDrop exact = in_fp32();
      drop.drop_in_fp32 = exact.drop();
      drop.high_in_fp32 = exact.high;
    }
    throw_if_error(check_drop(drop));
  };
  const std::vector<Prediction> before = answers(*dense);
  const MetricDrop selected = drop_between(before, answers(made), splits_.select);
  said["drop"] = selected.drop();
  check(selected, "select", [&] { return drop_between(before, answers(*wide), splits_.select); });
  check(drop_between(dense->predictions, made.predictions, splits_.report), "report",
        [&] { return drop_between(dense->predictions, wide->predictions, splits_.report); });
}

void Job::evaluate() {
  save_artifacts();
  // The artifacts, and where the first one's weights are narrow the same with fp32's.
  std::vector<Subject> subjects;
  for (const std::string& role : roles()) subjects.push_back(subject(role, role, precision(role)));
  if (recipe_.precision != Precision::kFp32) {
    const std::string first = roles().front();
    save(first, Precision::kFp32, folder(kInFp32));
    subjects.push_back(subject(kInFp32, first, Precision::kFp32));
  }
  const double own = std::numeric_limits<double>::quiet_NaN();
  const auto all = static_cast<int64_t>(subjects.size());
  for (int64_t i = 0; i < all; ++i) {
    subjects[i].predictions = value_or_throw(predict_all(
        *subjects[i].engine, splits_.report, *task_, own, [&] { reporter_->step(i, all, {}); }));
  }
  check_constraint(subjects);
  std::vector<runtime::Engine*> timed;
  for (const Subject& subject : subjects)
    timed.push_back(subject.serving ? subject.serving.get() : subject.engine.get());
  auto latency = value_or_throw(single_row_latency(timed, splits_.report, kLatencyRows));
  for (int64_t i = 0; i < all; ++i) subjects[i].latency = latency[i];

  double mean_tokens = 0;
  for (int64_t i = 0; i < splits_.report.size(); ++i)
    mean_tokens += static_cast<double>(splits_.report.tokens(i));
  int tokens = static_cast<int>(mean_tokens / static_cast<double>(splits_.report.size()) + 0.5);
  Json facts = {{"mean_tokens", tokens}};
  double dense_parameters = count(state_.dense->config, 1).encoder_parameters;
  const runtime::ModelInfo& info = timed.front()->info();
  const int batch_tokens =
      info.reads == Reads::kImage ? info.max_length : std::min(kBatchTokens, info.max_length);
  const auto batch = value_or_throw(batch_times(timed, kBatchRows, batch_tokens));
  for (int64_t i = 0; i < all; ++i) {
    const Column column = column_of(subjects[i]);
    Json& own = facts[subjects[i].name];
    own =
        subjects[i].name == kInFp32 ? figures_json(column) : column_json(column, dense_parameters);
    own["batch_latency_ms"] = {
        {"median", batch[i]}, {"rows", kBatchRows}, {"tokens", batch_tokens}};
  }
  // What each compressed one is beside the dense one, which is the last of the artifacts.
  const size_t dense = roles().size() - 1;
  for (size_t i = 0; i < dense; ++i) {
    Json& own = facts[subjects[i].name];
    if (labelled_) {
      const PairedTest test =
          task_->paired_test(subjects[i].predictions, subjects[dense].predictions, splits_.report);
      own["paired_test"] = test_json(test);
      own["paired_test"].update(
          {{"drop", test.difference}, {"low", test.low}, {"high", test.high}});
    }
    if (!recipe_.pruner.name.empty())
      own["target"] = reached_target(subjects[i].role, own, *timed[i], *timed[dense]);
  }
  if (subjects.back().name == kInFp32) facts.update(beside_fp32(subjects.front(), subjects.back()));
  state_.facts["evaluate"].update(facts);
  if (std::error_code ignored; recipe_.precision != Precision::kFp32)
    std::filesystem::remove_all(folder(kInFp32), ignored);
  reporter_->step(all, all, {});
}

Json Job::beside_fp32(const Subject& published, const Subject& in_fp32) const {
  Json out;
  out["precision_gap"] = gap_json(
      value_or_throw(precision_gap(*in_fp32.engine, *published.engine, splits_.report, kGapRows)));
  if (!labelled_) return out;
  // What fp32 has more is what the precision cost.
  const PairedTest test =
      task_->paired_test(published.predictions, in_fp32.predictions, splits_.report);
  out["precision_test"] = test_json(test);
  out["precision_cost"] = {{"value", test.difference}, {"low", test.low}, {"high", test.high}};
  return out;
}

Column Job::column_of(const Subject& subject) const {
  const Model& measured = model(subject.role);
  const runtime::ModelInfo& info = subject.engine->info();
  Column column;
  column.config = measured.config;
  column.precision = info.precision;
  if (labelled_) column.metrics = task_->evaluate(subject.predictions, splits_.report);
  column.latency = subject.latency;
  column.macs = mean_macs(measured.config, splits_.report, {});
  column.mean_exit_layer = mean_exit_layer(subject.predictions);
  column.nonzero_parameters =
      nonzero_parameters(as_stored(measured, precision_named(info.precision).value()));
  column.bytes = std::filesystem::file_size(subject.folder + "/model.safetensors");
  if (subject.role == kCompressed && exit_ != nullptr) {
    column.exit_threshold = info.exit_threshold;
    column.macs_with_exits = mean_macs(measured.config, splits_.report, subject.predictions);
  }
  return column;
}

}  // namespace espalier
