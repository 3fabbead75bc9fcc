#include "core/job/latency.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "core/base/random.h"
#include "core/job/timing.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"

namespace espalier {
namespace {

// Of each model, where five passes do not take longer.
constexpr double kMilliseconds = 150;

Batch batch_of(const ModelConfig& config, const LatencyProfile& profile) {
  Random random(1);
  std::vector<Input> inputs(profile.rows);
  for (Input& input : inputs) {
    if (config.reads_images()) {
      input.pixels.assign(config.pixels(), 128);
      input.image_tokens = config.positions;
      continue;
    }
    for (int i = 0; i < profile.tokens; ++i)
      input.ids.push_back(static_cast<int32_t>(random.below(config.vocabulary)));
    input.types.assign(input.ids.size(), 0);
    if (config.head == HeadKind::kMaskedLm) input.asked = {0};
  }
  return pack(std::vector<InputView>(inputs.begin(), inputs.end()));
}

class Timed {
 public:
  Timed(const Model& model, const LatencyProfile& profile)
      : plan_(runtime::make_fused_plan(model,
                                       runtime::products_of(profile.precision, model.device()))),
        backend_(plan_),
        batch_(batch_of(model.config, profile)) {}
  void pass() { walk(backend_, batch_); }

 private:
  runtime::FusedPlan plan_;
  runtime::FusedBackend backend_;
  Batch batch_;
};

// Whether the last layer goes on with the rows' first tokens alone.
bool reads_firsts(const ModelConfig& config) {
  return config.head == HeadKind::kSequence && config.pooling == Pooling::kFirst;
}

// Shapes that a table is made of.
struct Shapes {
  ModelConfig config;  // of the model
  LatencyProfile profile;

  // All layers of one shape. The head as it is, or with `whole` one for which the last layer
  // computes every token.
  double time(double hidden, double heads, double neurons, int layers, bool whole) const {
    ModelConfig shape = config;
    shape.hidden = static_cast<int>(hidden);
    shape.heads.clear();
    shape.linears.clear();
    LayerShape layer = config.layers.front();
    layer.kept_heads.clear();
    for (int i = 0; i < static_cast<int>(heads); ++i) layer.kept_heads.push_back(i);
    layer.neurons = static_cast<int>(neurons);
    shape.layers.assign(layers, layer);
    if (whole && reads_firsts(config)) {
      shape.head = HeadKind::kToken;
      shape.pooler_width = 0;
      shape.classes = 1;
      shape.spans = false;
      shape.label_names.clear();
    }
    const Model model = random_model(shape, 1);
    return batch_latency({&model}, {profile}).front();
  }
};

std::vector<double> rising(std::vector<double> grid) {
  std::sort(grid.begin(), grid.end());
  grid.erase(std::unique(grid.begin(), grid.end()), grid.end());
  return grid;
}

// More units never take less time: what says otherwise is noise.
std::vector<double> never_falling(std::vector<double> values) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::max(values[i], i == 0 ? 0.0 : values[i - 1]);
  return values;
}

void scale(std::vector<std::vector<double>>& values, double factor) {
  for (auto& row : values)
    for (double& value : row) value *= factor;
}

}  // namespace

MachineLock::MachineLock(const std::function<void()>& tick) {
  constexpr int kWaits = 3000;  // of a fifth of a second
  const std::string path =
      (std::filesystem::temp_directory_path() / "espalier-latency.lock").string();
  // A lock needs no right to write; another user's file in /tmp may not be opened for it.
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file_ < 0) file_ = open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  for (int i = 0; file_ >= 0 && i < kWaits && flock(file_, LOCK_EX | LOCK_NB) != 0; ++i) {
    if (tick) tick();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

MachineLock::~MachineLock() {
  if (file_ >= 0) close(file_);
}

std::vector<double> batch_latency(const std::vector<const Model*>& models,
                                  const std::vector<LatencyProfile>& profiles) {
  c10::InferenceMode inference;
  std::vector<std::unique_ptr<Timed>> timed;
  for (size_t i = 0; i < models.size(); ++i)
    timed.push_back(std::make_unique<Timed>(*models[i], profiles[i]));
  std::vector<std::function<void()>> acts;
  for (const auto& one : timed) acts.emplace_back([&one] { one->pass(); });
  return medians_in_turns(acts,
                          {.milliseconds = kMilliseconds * static_cast<double>(models.size())});
}

LatencyTable measure_latency_table(const ModelConfig& config, const LatencyProfile& profile,
                                   const std::string& machine, const std::function<void()>& tick) {
  const Shapes shapes{config, profile};
  const auto layers = static_cast<int>(config.layers.size());
  int most_heads = 1, most_neurons = 1;
  for (const LayerShape& layer : config.layers) {
    most_heads = std::max(most_heads, static_cast<int>(layer.kept_heads.size()));
    most_neurons = std::max(most_neurons, layer.neurons);
  }
  LatencyTable table;
  table.machine = machine;
  table.precision = precision_name(profile.precision);
  table.rows = profile.rows;
  table.tokens = profile.tokens;
  for (const int part : {4, 2, 1})
    table.hidden.push_back(std::max(8, config.hidden / part / 8 * 8));
  table.hidden.back() = config.hidden;
  table.hidden = rising(table.hidden);
  for (const int quarters : {0, 1, 2, 3, 4})
    table.heads.push_back(std::max(quarters > 0 ? 1 : 0, most_heads * quarters / 4));
  table.heads.push_back(1);
  table.heads = rising(table.heads);
  for (const int part : {32, 16, 8, 4, 2, 1})
    table.neurons.push_back(std::max(1, most_neurons / part));
  table.neurons.push_back(0);
  table.neurons = rising(table.neurons);

  const bool firsts = reads_firsts(config);
  for (const double hidden : table.hidden) {
    const double bare = shapes.time(hidden, 0, 0, layers, true);
    const double bare_firsts = firsts ? shapes.time(hidden, 0, 0, 1, false) : bare;
    table.rest.push_back(bare_firsts);
    // By the number of units of one kind, the other gone.
    const auto curve = [&](const std::vector<double>& units, bool heads, bool last) {
      const int deep = last ? 1 : layers;
      std::vector<double> times;
      for (const double count : units) {
        if (tick) tick();
        if (count == 0) {
          times.push_back(0);
          continue;
        }
        const double with = shapes.time(hidden, heads ? count : 0, heads ? 0 : count, deep, !last);
        times.push_back((with - (last ? bare_firsts : bare)) / deep);
      }
      return never_falling(std::move(times));
    };
    table.attention.push_back(curve(table.heads, true, false));
    table.ffn.push_back(curve(table.neurons, false, false));
    table.last_attention.push_back(firsts ? curve(table.heads, true, true)
                                          : table.attention.back());
    table.last_ffn.push_back(firsts ? curve(table.neurons, false, true) : table.ffn.back());
  }
  // Sub-layers alone are not quite what they are together.
  const Model dense = random_model(config, 1);
  const double whole = batch_latency({&dense}, {profile}).front();
  const double rest = table.rest.back();
  const double parts = Cost(config, latency_cost(table, layers)).dense() - rest;
  if (parts > 0 && whole > rest) {
    for (auto* values : {&table.attention, &table.ffn, &table.last_attention, &table.last_ffn})
      scale(*values, (whole - rest) / parts);
  }
  return table;
}

}  // namespace espalier
