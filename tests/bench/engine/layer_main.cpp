// espalier-bench-layer MODEL [threads=2] [precision=fp32]: where the time of a forward goes, of a
// Hugging Face folder's model as it is served. profile_layer.py makes tables of it.
//
// Requests are lines of JSON on standard input, answers lines on standard output:
//   {"peaks": true}             what the threads do at most, see peaks.h, and how much there is to
//   read
//   {"rows": [[ids]], "seconds": 0.3, "brief": false}
//                               microseconds of a layer and of its steps, the mean over the layers,
//                               and of a whole walk and what of it is inside of the layers; medians
//                               of passes over all layers in turn, so that weights lie where they
//                               lie in a forward; "brief" true: of a layer's two halves alone.
//                               Every layer computes all tokens here, where a classifier's last
//                               one computes first tokens alone in a walk
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"
#include "tests/bench/engine/bench_model.h"
#include "tests/bench/engine/peaks.h"

namespace espalier::bench {
namespace {

using runtime::FusedRows;
using runtime::kSteps;
using Moment = std::chrono::steady_clock::time_point;

constexpr int kFewestPasses = 3, kMostPasses = 500;

Moment now() { return std::chrono::steady_clock::now(); }
double since(Moment begin) { return std::chrono::duration<double>(now() - begin).count(); }

// Medians, figure by figure, of what the passes of about so many seconds say; the first warms up.
using Figures = std::vector<double>;
Figures medians(double seconds, const std::function<Figures()>& pass) {
  pass();
  const Moment begin = now();
  std::vector<Figures> all;
  while (all.size() < kFewestPasses || (since(begin) < seconds && all.size() < kMostPasses))
    all.push_back(pass());
  Figures out;
  for (size_t i = 0; i < all[0].size(); ++i) {
    const auto middle = all.begin() + static_cast<int64_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end(),
                     [i](const Figures& a, const Figures& b) { return a[i] < b[i]; });
    out.push_back((*middle)[i]);
  }
  return out;
}

// Knows how long the layers of a walk took.
class WatchedBackend : public runtime::FusedBackend {
 public:
  using FusedBackend::FusedBackend;
  Hidden attend(int layer, const Hidden& x, const LayerGates& gates, AttentionMaps* maps) override {
    return watched([&] { return FusedBackend::attend(layer, x, gates, maps); });
  }
  Hidden attend_firsts(int layer, const Hidden& x, const LayerGates& gates) override {
    return watched([&] { return FusedBackend::attend_firsts(layer, x, gates); });
  }
  Hidden feed(int layer, const Hidden& x, const LayerGates& gates) override {
    return watched([&] { return FusedBackend::feed(layer, x, gates); });
  }
  double inside = 0;  // seconds

 private:
  // One sub-layer may be made of another: the outermost counts.
  template <class Call>
  Hidden watched(Call&& call) {
    if (within_) return call();
    within_ = true;
    const Moment begin = now();
    Hidden out = call();
    inside += since(begin);
    within_ = false;
    return out;
  }
  bool within_ = false;
};

struct StepWork {
  double operations = 0;    // two a multiply-add of products and attention; else 0
  double weight_bytes = 0;  // each weight once, however often it is read
};

double bytes_of(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return 4;
    case Precision::kBf16:
      return 2;
    case Precision::kInt8:
      return 1;
  }
  return 0;
}

// Of a layer that holds what it was made with.
std::array<StepWork, kSteps> work_of(const ModelConfig& config, size_t layer, Precision products,
                                     const std::vector<int64_t>& offsets) {
  const LayerShape& shape = config.layers[layer];
  const auto hidden = static_cast<double>(config.hidden);
  const auto tokens = static_cast<double>(offsets.back());
  const auto heads = static_cast<double>(shape.kept_heads.size()) * shape.head_dim;
  const auto neurons = static_cast<double>(shape.neurons);
  const auto product = [&](double weights) -> StepWork {
    return {2 * weights * tokens, weights * bytes_of(products)};
  };
  std::array<StepWork, kSteps> out = {};
  out[runtime::kQueryKeyValue] = product(3 * hidden * heads);
  out[runtime::kOutput] = product(hidden * heads);
  out[runtime::kUp] = out[runtime::kDown] = product(hidden * neurons);
  for (size_t row = 0; row + 1 < offsets.size(); ++row) {
    const auto length = static_cast<double>(offsets[row + 1] - offsets[row]);
    out[runtime::kHeads].operations += 4 * length * length * heads;
  }
  return out;
}

absl::Status check(const runtime::FusedPlan& plan) {
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    if (!plan.layers[i])
      return absl::UnimplementedError(
          absl::StrCat("layer ", i, " is not fused: in ", precision_name(plan.plan.products),
                       " on this processor, or as this model has it, it has no panels"));
  }
  if (plan.plan.model.config.relative_buckets > 0)
    return absl::UnimplementedError("models with relative positions are not profiled");
  return absl::OkStatus();
}

class Profile {
 public:
  explicit Profile(runtime::FusedPlan plan)
      : plan_(std::move(plan)), layers_(static_cast<int>(plan_.layers.size())) {
    team_.resize(static_cast<size_t>(at::get_num_threads()));
  }

  Json of(const Json& asked) {
    const Batch batch = batch_of(asked.at("rows"));
    const double seconds = asked.value("seconds", 0.3);
    WatchedBackend backend(plan_);
    offsets_ = batch.offsets();
    start_ = backend.tokens(backend.embed(batch, {})).contiguous();
    x_ = at::empty_like(start_);
    y_ = at::empty_like(start_);

    const Figures whole = medians(seconds, [&] { return whole_pass(); });
    Json out = {{"rows", batch.rows()},
                {"tokens", batch.tokens()},
                {"attend_us", whole[0] * 1e6 / layers_},
                {"feed_us", whole[1] * 1e6 / layers_}};
    if (asked.value("brief", false)) return out;
    out["steps"] = steps(seconds);
    const Figures walked = medians(seconds, [&]() -> Figures {
      backend.inside = 0;
      const Moment begin = now();
      walk(backend, batch).logits.sum().item<double>();
      const double took = since(begin);
      return {took, backend.inside, took - backend.inside};
    });
    out["walk_us"] = walked[0] * 1e6;
    out["walk_inside_us"] = walked[1] * 1e6;
    out["walk_outside_us"] = walked[2] * 1e6;
    return out;
  }

  int layers() const { return layers_; }
  // Of all layers' weights.
  int64_t weight_bytes() const {
    double out = 0;
    for (size_t i = 0; i < plan_.layers.size(); ++i) {
      for (const StepWork& step : work_of(config(), i, plan_.plan.products, {0}))
        out += step.weight_bytes;
    }
    return static_cast<int64_t>(out);
  }

 private:
  // attend(rows) and feed(rows) of every layer, from the embeddings to x_.
  template <class Attend, class Feed>
  void through_layers(Attend&& attend, Feed&& feed) {
    x_.copy_(start_);
    float *x = x_.mutable_data_ptr<float>(), *y = y_.mutable_data_ptr<float>();
    for (size_t i = 0; i < plan_.layers.size(); ++i) {
      attend(i, FusedRows{x, y, offsets_});
      feed(i, FusedRows{y, x, offsets_});
    }
  }

  Figures whole_pass() {
    Figures out = {0, 0};
    const auto timed = [](double& seconds, auto&& run) {
      const Moment begin = now();
      run();
      seconds += since(begin);
    };
    through_layers(
        [&](size_t i, const FusedRows& rows) {
          timed(out[0], [&] { plan_.layers[i]->attend(rows, {}, team_); });
        },
        [&](size_t i, const FusedRows& rows) {
          timed(out[1], [&] { plan_.layers[i]->feed(rows, team_); });
        });
    return out;
  }

  Json steps(double seconds) {
    const Figures spent = medians(seconds, [&] { return pass_by_steps(); });
    const auto work = work_of(config(), 0, plan_.plan.products, offsets_);
    Json out;
    for (size_t i = 0; i < kSteps; ++i) {
      out[runtime::kStepNames[i]] = {{"us", spent[i] * 1e6 / layers_},
                                     {"operations", work[i].operations},
                                     {"weight_bytes", work[i].weight_bytes}};
    }
    return out;
  }

  // Where the threads do not wait for each other, the mean of those that took part; else the first
  // one's time is that of all. A layer's halves may differ in that.
  Figures pass_by_steps() {
    std::vector<runtime::StepWatch> watches(team_.size());
    for (size_t i = 0; i < team_.size(); ++i) team_[i].watch = &watches[i];
    through_layers(
        [&](size_t i, const FusedRows& rows) { plan_.layers[i]->attend(rows, {}, team_); },
        [&](size_t i, const FusedRows& rows) { plan_.layers[i]->feed(rows, team_); });
    Figures out(kSteps, 0);
    for (size_t step = 0; step < kSteps; ++step) {
      double took_part = 0;
      for (const runtime::StepWatch& watch : watches) {
        out[step] += watch.seconds[step];
        took_part += watch.seconds[step] > 0 ? 1 : 0;
      }
      if (took_part > 0) out[step] /= took_part;
    }
    for (runtime::Scratch& scratch : team_) scratch.watch = nullptr;
    return out;
  }

  const ModelConfig& config() const { return plan_.plan.model.config; }

  runtime::FusedPlan plan_;
  int layers_;
  std::vector<runtime::Scratch> team_;
  std::vector<int64_t> offsets_;
  Tensor start_, x_, y_;
};

Json peaks(int threads, const Profile& profile) {
  const auto described = [](const Peak& peak) -> Json {
    return {{"together", peak.together}, {"alone", peak.alone}, {"how", peak.how}};
  };
  return {{"fp32", described(multiply_add_peak(threads))},
          {"bf16", described(multiply_add16_peak(threads))},
          {"int8", described(multiply_add8_peak(threads))},
          {"memory", described(read_peak(threads, beyond_caches()))},
          {"weights", described(read_peak(threads, profile.weight_bytes()))},
          {"weight_bytes", profile.weight_bytes()},
          {"layers", profile.layers()}};
}

absl::Status run(const std::string& folder, std::span<char* const> words) {
  ESPALIER_ASSIGN_OR_RETURN(const Settings set,
                            read_settings(words, {{"threads", "2"}, {"precision", "fp32"}}));
  const int threads = std::stoi(set.at("threads"));
  at::set_num_threads(threads);
  ESPALIER_ASSIGN_OR_RETURN(const Precision precision, read_precision(set.at("precision")));
  ESPALIER_ASSIGN_OR_RETURN(Model model, load_served(folder, precision));
  c10::InferenceMode inference;
  const Precision products = runtime::products_of(precision, model.device());
  runtime::FusedPlan plan = runtime::make_fused_plan(std::move(model), products);
  ESPALIER_RETURN_IF_ERROR(check(plan));
  Profile profile(std::move(plan));
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json asked = Json::parse(line);
    std::cout << (asked.value("peaks", false) ? peaks(threads, profile) : profile.of(asked))
              << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace espalier::bench

int main(int argc, char** argv) {
  using namespace espalier::bench;
  return main_of("espalier-bench-layer", std::span(argv, argc), run);
}
