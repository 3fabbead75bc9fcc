#include "core/prune/ziplm.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "core/prune/reachable.h"

namespace espalier {
namespace {

constexpr double kNear = 1e-9;        // of a share
constexpr int64_t kSearchRows = 256;  // that a try of the search is judged on
constexpr double kDrawnAnew = 0.1;    // of the sensitivities, in each try
constexpr const char* kMethod = "ziplm";

// What a sub-layer of so many units costs; none: it is gone, bias and norm too.
double cost_of(const CostFunction& function, const ModelConfig& config, int layer, bool ffn,
               int64_t units) {
  if (units == 0) return 0;
  const Tensor count = at::full({}, static_cast<double>(units), at::kDouble);
  const Tensor hidden = at::full({}, static_cast<double>(config.hidden), at::kDouble);
  return (ffn ? function.ffn(layer, count, hidden) : function.attention(layer, count, hidden))
      .item<double>();
}

// The first batches that have so many rows together.
std::span<const Batch> first_rows(std::span<const Batch> batches, int64_t rows) {
  size_t count = 0;
  for (int64_t have = 0; count < batches.size() && have < rows; ++count)
    have += batches[count].rows();
  return batches.first(count);
}

std::vector<Tensor> answers(const Model& model, Gates gates, std::span<const Batch> batches) {
  gates.seal(model.config);
  TrainBackend backend(model);
  std::vector<Tensor> out;
  for (const Batch& batch : batches) out.push_back(walk(backend, batch, gates).logits);
  return out;
}

double mean_squared_distance(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += (a[i] - b[i]).square().sum(at::kDouble).item<double>();
    count += static_cast<double>(a[i].numel());
  }
  return sum / std::max(count, 1.0);
}

}  // namespace

void ZipLm::Options::read(OptionReader& reader) {
  reader.integer("shots", shots, 1, 100, "In how many parts units leave.");
  reader.number("ramp_begin", begin, 0, 1, "Share of the steps before the first shot.");
  reader.number("ramp_end", end, 0, 1, "Share of the steps before the last of several shots.");
  reader.integer("rows", rows, 1, 1000000, "Rows that a shot looks at.");
  reader.number("damp", damp, 1e-10, 1,
                "Added to the diagonal of the inputs' second moments, as a share of its mean.");
  reader.number("shrink", shrink, 0.1, 0.99, "A level of neurons as a share of the one above it.");
  reader.integer("search", search, 0, 100000,
                 "Sets of sensitivities of the sub-layers that a shot tries on its rows.");
}

absl::Status ZipLm::check(const ModelConfig& config) const {
  if (options_.shots > 1 && options_.end < options_.begin) {
    return absl::InvalidArgumentError(absl::StrCat(kMethod, "'s ramp_end is ", options_.end,
                                                   ", before its ramp_begin of ", options_.begin,
                                                   "; a ramp_end of at least that would work"));
  }
  ESPALIER_RETURN_IF_ERROR(check_whole(kMethod, config));
  ESPALIER_RETURN_IF_ERROR(check_solvable(kMethod, config));
  if (aim_.sparsity == 0) return absl::OkStatus();
  return check_reachable(kMethod, aim_.sparsity,
                         aim_.cost_of(config).share_gone(all_closed(config, false)));
}

void ZipLm::prepare(Session& session) {
  const Model& model = session.model();
  throw_if_error(check(model.config));
  function_ = aim_.cost == nullptr ? parameters_cost(model.config) : aim_.cost;
  cost_ = std::make_unique<Cost>(aim_.cost_of(model.config));
  if (!gates_.empty()) {  // a checkpoint's, with the model as it was there: no shot is repeated
    gates_ = gates_.map([&](const Tensor& t) { return t.to(model.device()); });
    return;
  }
  gates_ = open_gates(model);
  shoot_if_due(session, 0);
}

Gates ZipLm::open_gates(const Model& model) const {
  const auto options = model.position.options().requires_grad(false);
  const Gates shapes = all_closed(model.config, false);
  Gates out;
  if (shapes.head.size(1) > 0) out.head = at::ones(shapes.head.sizes(), options);
  if (shapes.neuron.size(1) > 0) out.neuron = at::ones(shapes.neuron.sizes(), options);
  return out;
}

int64_t ZipLm::due(double done) const {
  int64_t count = 0;
  for (int64_t shot = 0; shot < options_.shots; ++shot) {
    const double way = options_.shots == 1
                           ? 0
                           : static_cast<double>(shot) / static_cast<double>(options_.shots - 1);
    if (options_.begin + (options_.end - options_.begin) * way <= done + kNear) count = shot + 1;
  }
  return count;
}

double ZipLm::share_after(int64_t shot) const {
  if (shot >= options_.shots) return aim_.sparsity;
  const double part = static_cast<double>(shot) / static_cast<double>(options_.shots);
  return 1 - std::pow(1 - aim_.sparsity, part);
}

void ZipLm::after_step(Session& session, const Step& step) {
  const auto steps = static_cast<double>(step.index + 1);
  shoot_if_due(session, steps / static_cast<double>(step.total));
}

// A better aim may have come since, or a state from before the last shot was the best one. Averages
// are not told: there are no more steps, or the caller takes everything back (milestones).
void ZipLm::finish(Session& session) {
  if (!eligible()) shoot(session, aim_.sparsity);
}

bool ZipLm::eligible() const { return reached_ >= aim_.sparsity - kNear; }

void ZipLm::shoot_if_due(Session& session, double done) {
  const double share = std::min(done >= 1 ? aim_.sparsity : share_after(due(done)), aim_.stop);
  if (share > reached_ + kNear) session.rewritten(shoot(session, share));
}

ZipLm::Sublayers ZipLm::sublayers(const Model& model, std::span<const Batch> batches) const {
  const ModelConfig& config = model.config;
  Gates sealed = gates_;
  sealed.seal(config);
  std::vector<LayerMoments> moments = input_moments(model, sealed, batches);
  Sublayers out;
  const auto add = [&](int layer, bool ffn, Moments& of_inputs) {
    if (!of_inputs.products.defined()) return;  // gone before
    const LayerShape& shape = config.layers[layer];
    const int64_t all = ffn ? shape.neurons : config.head_count(layer);
    const Tensor gate = (ffn ? gates_.neuron : gates_.head)[layer].narrow(0, 0, all);
    const Tensor open = gate.to(at::kCPU).nonzero().squeeze(1);
    const Linear& linear = ffn ? model.layers[layer].down : model.layers[layer].output;
    SublayerCurve curve(linear, of_inputs, open, ffn ? 1 : shape.head_dim, options_.damp);
    of_inputs = Moments();  // the largest thing here
    std::vector<Level> levels;
    for (const int64_t units : level_grid(curve.units(), all, ffn ? options_.shrink : 1))
      levels.push_back({units, cost_of(*function_, config, layer, ffn, units), curve.error(units)});
    out.push_back({layer, ffn, std::move(curve), std::move(levels)});
  };
  for (size_t i = 0; i < moments.size(); ++i) {
    add(static_cast<int>(i), false, moments[i].attention);
    add(static_cast<int>(i), true, moments[i].ffn);
  }
  return out;
}

Gates ZipLm::closed(const Sublayers& sublayers, const Places& places) const {
  Gates out = gates_.map([](const Tensor& t) { return t.clone(); });
  for (size_t i = 0; i < sublayers.size(); ++i) {
    const Sublayer& one = sublayers[i];
    const int64_t left = one.levels[places[i]].units;
    const Tensor row = (one.ffn ? out.neuron : out.head)[one.layer];
    row.zero_();
    if (left > 0) row.index_fill_(0, one.curve.kept(left).to(row.device()), 1);
  }
  return out;
}

ZipLm::Places ZipLm::chosen(Session& session, Sublayers& sublayers, std::span<const Batch> batches,
                            double budget) const {
  std::vector<std::vector<Level>> levels;
  for (const Sublayer& one : sublayers) levels.push_back(one.levels);
  std::vector<double> sensitivity(sublayers.size(), 1);
  Places best = choose_levels(levels, sensitivity, budget);
  if (options_.search == 0 || best.empty()) return best;

  const Model& model = session.model();
  const std::span<const Batch> judged = first_rows(batches, kSearchRows);
  const std::vector<Tensor> before = answers(model, gates_, judged);
  const auto distance = [&](const Places& places) {
    Model tried = model;
    for (size_t i = 0; i < sublayers.size(); ++i) {
      Sublayer& one = sublayers[i];
      const int64_t left = one.levels[places[i]].units;
      if (left == 0 || left == one.curve.units()) continue;
      Layer& layer = tried.layers[one.layer];
      Linear& linear = one.ffn ? layer.down : layer.output;
      const OutputMatrix& matrix = one.curve.matrix(left);
      linear.weight = matrix.weight.to(linear.weight);
      if (linear.bias.defined()) linear.bias = matrix.bias.to(linear.bias);
    }
    return mean_squared_distance(answers(tried, closed(sublayers, places), judged), before);
  };
  Random random(session.seed("ziplm.search", draw_));
  double least = distance(best);
  std::set<Places> seen = {best};
  const auto count =
      static_cast<int64_t>(std::ceil(kDrawnAnew * static_cast<double>(sublayers.size())));
  for (int64_t i = 0; i < options_.search; ++i) {
    std::vector<double> other = sensitivity;
    for (int64_t draw = 0; draw < count; ++draw)
      other[random.below(other.size())] = random.uniform();
    const Places places = choose_levels(levels, other, budget);
    if (!seen.insert(places).second) continue;
    const double now = distance(places);
    if (!(now < least)) continue;
    least = now;
    best = places;
    sensitivity = std::move(other);
  }
  return best;
}

std::vector<Tensor> ZipLm::shoot(Session& session, double share) {
  torch::NoGradGuard no_grad;
  reached_ = share;
  if (cost_->share_gone(gates_) >= share - kNear) return {};  // units are not as fine as shares
  Model& model = session.model();
  const std::vector<Batch> batches = sample_rows(session, options_.rows, draw_);
  Sublayers all = sublayers(model, batches);
  const Tensor hidden = at::full({}, static_cast<double>(model.config.hidden), at::kDouble);
  const double budget = cost_->dense() * (1 - share) - function_->rest(hidden).item<double>();
  const Places places = chosen(session, all, batches, budget);
  if (!places.empty()) gates_ = closed(all, places);
  throw_if_error(check_reachable(kMethod, share, cost_->share_gone(gates_)));

  std::vector<Tensor> rewritten;
  for (size_t i = 0; i < all.size(); ++i) {
    const int64_t left = all[i].levels[places[i]].units;
    if (left == 0 || left == all[i].curve.units()) continue;
    const OutputMatrix& matrix = all[i].curve.matrix(left);
    const Linear& linear = all[i].in(model);
    linear.weight.copy_(matrix.weight);
    rewritten.push_back(linear.weight);
    if (!linear.bias.defined()) continue;
    linear.bias.copy_(matrix.bias);
    rewritten.push_back(linear.bias);
  }
  return rewritten;
}

void ZipLm::save(State& state) const {
  if (gates_.head.defined()) state.tensors["gates.head"] = gates_.head.clone();
  if (gates_.neuron.defined()) state.tensors["gates.neuron"] = gates_.neuron.clone();
  state.json["draw"] = draw_;
  state.json["reached"] = reached_;
}

void ZipLm::load(const State& state) {
  const auto take = [&](const char* name, Tensor& gate) {
    const auto found = state.tensors.find(name);
    if (found != state.tensors.end()) gate = found->second.clone();
  };
  take("gates.head", gates_.head);
  take("gates.neuron", gates_.neuron);
  draw_ = state.json.at("draw").get<int64_t>();
  reached_ = state.json.at("reached").get<double>();
}

}  // namespace espalier
