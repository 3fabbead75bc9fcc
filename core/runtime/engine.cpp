#include "core/runtime/engine.h"

#include <ATen/Parallel.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/artifact/artifact.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/exit/policy_registry.h"
#include "core/model/walk.h"
#include "core/runtime/answers.h"
#include "core/runtime/fused_backend.h"
#include "core/task/task.h"

namespace espalier::runtime {
namespace {

// Golden logits come from the training backend, which sums in another order.
constexpr double kGoldenTolerance = 1e-3;

// See Engine::release_threads().
void release_own_threads() {
#ifdef _OPENMP
  omp_pause_resource_all(omp_pause_soft);
#endif
}

// `slack`: see Golden.
absl::Status check_equal(const Tensor& computed, const Tensor& golden, double slack) {
  if (!computed.defined() || computed.sizes() != golden.sizes()) {
    return absl::DataLossError(
        "the artifact's golden logits have another shape than what this engine computes; the "
        "files are damaged");
  }
  const Tensor exact = golden.to(at::kFloat);
  const double gap = (computed.to(at::kCPU, at::kFloat) - exact).abs().max().item<double>();
  const double allowed = slack + kGoldenTolerance * std::max(1.0, exact.abs().max().item<double>());
  if (gap <= allowed) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the artifact's golden logits differ by ", gap,
                                          " from what this engine computes (allowed: ", allowed,
                                          "); the files or this build are damaged"));
}

FusedPlan plan_of(Model model, Precision stored, bool as_published) {
  const Precision products = as_published ? stored : products_of(stored, model.device());
  return make_fused_plan(std::move(model), products);
}

class LibTorchEngine : public Engine {
 public:
  LibTorchEngine(Artifact artifact, bool as_published, std::unique_ptr<Tokenizer> tokenizer,
                 std::unique_ptr<Task> task, std::unique_ptr<ExitPolicy> policy)
      : plan_(std::make_shared<const FusedPlan>(
            plan_of(std::move(artifact.model), artifact.spec.precision, as_published))),
        backend_(*plan_),
        tokenizer_(std::move(tokenizer)),
        task_(std::move(task)),
        policy_(std::move(policy)) {
    const ModelConfig& config = plan_->plan.model.config;
    info_.task = artifact.spec.task;
    info_.objective = task_->objective();
    info_.reads = task_->reads();
    info_.label_names = artifact.spec.label_names;
    info_.layers = static_cast<int>(config.layers.size());
    info_.max_length = artifact.spec.max_length;
    info_.vocabulary = config.vocabulary;
    info_.token_types = config.token_types;
    info_.channels = config.channels;
    info_.image_size = config.image_size;
    if (info_.objective == Objective::kWords) {
      info_.mask_id = tokenizer_->specials().mask;
      info_.mask_text = tokenizer_->written(info_.mask_id);
    }
    if (info_.objective == Objective::kSpan) info_.separator_id = tokenizer_->specials().separator;
    info_.precision = precision_name(artifact.spec.precision);
    info_.products = precision_name(plan_->plan.products);
    info_.weights_sha256 = artifact.weights_sha256;
    if (artifact.spec.exit) {
      info_.has_exits = true;
      info_.exit_method = artifact.spec.exit->method;
      info_.exit_threshold = artifact.spec.exit->threshold;
      info_.threshold_low = artifact.spec.exit->low;
      info_.threshold_high = artifact.spec.exit->high;
    }
  }

  const ModelInfo& info() const override { return info_; }

  absl::StatusOr<std::vector<Features>> encode(const Sample& sample) const override {
    return task_->encode({tokenizer_.get(), &plan_->plan.model.config, info_.max_length}, sample);
  }

  Row probe() const override {
    Row out;
    out.input = probe_;
    return out;
  }

  absl::StatusOr<std::vector<Answer>> predict(std::span<const Row> rows) override {
    if (rows.empty()) return std::vector<Answer>();
    for (size_t i = 0; i < rows.size(); ++i) ESPALIER_RETURN_IF_ERROR(check(rows[i], i));
    return guard("predict", [&]() -> absl::StatusOr<std::vector<Answer>> {
      c10::InferenceMode inference;
      std::vector<InputView> inputs;
      std::vector<int64_t> max_layer;
      std::vector<float> threshold;
      for (const Row& row : rows) {
        inputs.push_back(row.input);
        threshold.push_back(static_cast<float>(
            std::isnan(row.exit_threshold) ? info_.exit_threshold : row.exit_threshold));
        max_layer.push_back(row.max_exit_layer > 0 ? row.max_exit_layer : info_.layers);
      }
      auto device = plan_->plan.model.device();
      WalkOptions options;
      options.policy = policy_.get();
      if (policy_ != nullptr) {
        options.knobs.threshold = torch::tensor(threshold, torch::kFloat32).to(device);
        options.knobs.max_layer = torch::tensor(max_layer, torch::kInt64).to(device);
      }
      const Trace trace = walk(backend_, pack(inputs), {}, options);
      std::vector<Answer> answers =
          answers_of(info_.objective, plan_->plan.model.config.head, trace, rows);
      for (Answer& answer : answers) finish(answer);
      return answers;
    });
  }

  void release_threads() override { release_own_threads(); }

  // Full-depth logits of the golden inputs against those that the artifact carries.
  absl::Status check_golden(const Golden& golden) {
    probe_ = golden.inputs.front();
    const double slack = plan_->plan.products == Precision::kFp32 ? 0 : golden.slack;
    return guard("golden inputs", [&]() -> absl::Status {
      c10::InferenceMode inference;
      const Trace trace = walk(backend_, golden.batch());
      ESPALIER_RETURN_IF_ERROR(check_equal(trace.logits, golden.logits, slack));
      if (!golden.sentence_logits.defined()) return absl::OkStatus();
      return check_equal(trace.sentence_logits, golden.sentence_logits, slack);
    });
  }

 private:
  absl::Status check(const Row& row, size_t i) const {
    auto bad = [&](const std::string& what) {
      return absl::InvalidArgumentError(absl::StrCat("row ", i, ": ", what));
    };
    ESPALIER_RETURN_IF_ERROR(info_.reads == Reads::kImage ? check_image(row.input, bad)
                                                          : check_text(row.input, bad));
    if (!std::isnan(row.exit_threshold)) {
      if (!info_.has_exits) return bad("exit_threshold is set, but this model has no early exits");
      if (row.exit_threshold < info_.threshold_low || row.exit_threshold > info_.threshold_high) {
        return bad(absl::StrCat("exit_threshold is ", row.exit_threshold, "; ", info_.exit_method,
                                " takes values from ", info_.threshold_low, " (never) to ",
                                info_.threshold_high, " (at once)"));
      }
    }
    if (row.max_exit_layer != 0) {
      if (!info_.has_exits && row.max_exit_layer != info_.layers) {
        return bad("max_exit_layer is set, but this model has no early exits");
      }
      if (row.max_exit_layer < 1 || row.max_exit_layer > info_.layers) {
        return bad(absl::StrCat("max_exit_layer is ", row.max_exit_layer, "; layers go from 1 to ",
                                info_.layers));
      }
    }
    return absl::OkStatus();
  }

  // What answers need beside the walk.
  void finish(Answer& answer) const {
    for (auto& guesses : answer.words) {
      for (WordGuess& guess : guesses) guess.text = tokenizer_->written(guess.id);
    }
  }

  template <class Bad>
  absl::Status check_image(const Input& input, const Bad& bad) const {
    const ModelConfig& config = plan_->plan.model.config;
    if (!input.ids.empty()) return bad("holds a text; this model reads images");
    if (input.pixels.size() != config.pixels()) {
      return bad(absl::StrCat("has ", input.pixels.size(), " bytes of pixels; this model takes ",
                              config.pixels(), ", of ", config.channels, " x ", config.image_size,
                              " x ", config.image_size));
    }
    if (input.image_tokens == config.positions) return absl::OkStatus();
    return bad(absl::StrCat("is to have ", input.image_tokens, " tokens; an image has ",
                            config.positions));
  }

  template <class Bad>
  absl::Status check_text(const Input& input, const Bad& bad) const {
    if (!input.pixels.empty()) return bad("holds an image; this model reads texts");
    const std::vector<int32_t>&ids = input.ids, &types = input.types;
    if (ids.empty()) return bad("has no tokens; at least one is needed");
    if (ids.size() > static_cast<size_t>(info_.max_length)) {
      return bad(
          absl::StrCat("has ", ids.size(), " tokens; this model takes at most ", info_.max_length));
    }
    if (types.size() != ids.size())
      return bad(absl::StrCat("has ", ids.size(), " ids but ", types.size(), " token types"));
    for (size_t t = 0; t < ids.size(); ++t) {
      if (ids[t] < 0 || ids[t] >= info_.vocabulary) {
        return bad(absl::StrCat("token ", t, " has id ", ids[t], "; the vocabulary has ",
                                info_.vocabulary));
      }
      if (types[t] < 0 || types[t] >= std::max(1, info_.token_types)) {
        return bad(absl::StrCat("token ", t, " has type ", types[t], "; the model has ",
                                info_.token_types));
      }
    }
    for (const int32_t place : input.asked) {
      if (place < 0 || place >= static_cast<int32_t>(ids.size()))
        return bad(absl::StrCat("asks for token ", place, " of ", ids.size()));
    }
    if (info_.objective == Objective::kWords && input.asked.empty()) return bad("asks for no word");
    return absl::OkStatus();
  }

  std::shared_ptr<const FusedPlan> plan_;
  FusedBackend backend_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Task> task_;
  std::unique_ptr<ExitPolicy> policy_;
  ModelInfo info_;
  Input probe_;  // the first golden input
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::load(const std::string& folder,
                                                     const EngineOptions& options) {
  if (options.threads > 0) at::set_num_threads(options.threads);
  const auto load = [&]() -> absl::StatusOr<std::unique_ptr<Engine>> {
    ESPALIER_ASSIGN_OR_RETURN(Artifact artifact, load_artifact(folder));
    std::unique_ptr<Tokenizer> tokenizer;
    if (!artifact.model.config.reads_images()) {
      ESPALIER_ASSIGN_OR_RETURN(tokenizer, load_tokenizer(folder));
    }
    ESPALIER_ASSIGN_OR_RETURN(auto task, make_task(artifact.spec.task, artifact.spec.label_names));
    std::unique_ptr<ExitPolicy> policy;
    if (artifact.spec.exit) {
      ESPALIER_ASSIGN_OR_RETURN(policy, make_exit_policy(artifact.spec.exit->method));
    }
    ESPALIER_ASSIGN_OR_RETURN(Golden golden, load_golden(folder));
    auto engine =
        std::make_unique<LibTorchEngine>(std::move(artifact), options.as_published,
                                         std::move(tokenizer), std::move(task), std::move(policy));
    ESPALIER_RETURN_IF_ERROR(engine->check_golden(golden));
    return engine;
  };
  auto loaded = guard("loading the artifact", load);
  if (!loaded.ok()) release_own_threads();  // nobody else could
  return loaded;
}

}  // namespace espalier::runtime
