#include "core/prune/flop.h"

#include <algorithm>
#include <cmath>

#include "core/base/guard.h"
#include "core/prune/reachable.h"
#include "core/spec/linear_slots.h"

namespace espalier {
namespace {

constexpr double kLogitSpread = 0.01;
// What an open gate is at least: a component that must stay may have a soft value of nearly 0.
constexpr double kLowestOpen = 1e-6;
// Beyond the lowest or highest logit every gate is open, or closed.
constexpr double kFarShift = 40;
constexpr int kShiftHalvings = 50;
constexpr double kParameterSlack = 1e-6;

void make_factors(const std::string& name, Linear& linear, ModelConfig& config) {
  const int64_t rank = even_rank(linear.outputs(), linear.inputs());
  LowRank factors = truncated_svd(linear.effective_weight(), rank);
  linear.up = std::move(factors.up);
  linear.down = std::move(factors.down);
  linear.weight = linear.mask = Tensor();
  config.linears[name] = {LinearShape::Kind::kFactored, static_cast<int>(rank)};
}

}  // namespace

LowRank truncated_svd(const Tensor& weight, int64_t rank) {
  torch::NoGradGuard no_grad;
  const auto [u, s, v] =
      at::linalg_svd(weight.detach().to(at::kCPU, at::kDouble), /*full_matrices=*/false);
  const Tensor root = s.narrow(0, 0, rank).sqrt();
  const auto like_weight = [&](const Tensor& factor) {
    return factor.to(weight.device(), weight.scalar_type()).contiguous();
  };
  return {like_weight(u.narrow(1, 0, rank) * root),
          like_weight(root.unsqueeze(1) * v.narrow(0, 0, rank))};
}

int64_t even_rank(int64_t outputs, int64_t inputs) {
  return std::max<int64_t>(outputs * inputs / (outputs + inputs), 1);
}

Tensor expected_rank_parameters(const std::vector<double>& component_sizes,
                                const std::vector<Tensor>& open, double rest) {
  TORCH_CHECK(component_sizes.size() == open.size(), "sizes of ", component_sizes.size(),
              " Linears and gates of ", open.size());
  Tensor total = at::full({}, rest, at::kDouble);
  for (size_t i = 0; i < open.size(); ++i)
    total = total + open[i].to(at::kCPU, at::kDouble).sum() * component_sizes[i];
  return total;
}

void Flop::Options::read(OptionReader& reader) {
  reader.number("warmup", warmup, 0, 1,
                "Share of the steps until the target is asked for in full, on a line.");
  reader.number("gate_learning_rate", gate_learning_rate, 1e-6, 10,
                "Learning rate of the gates' logits.");
  reader.number("multiplier_learning_rate", multiplier_learning_rate, 1e-6, 10,
                "Learning rate of the Lagrange multipliers.");
  reader.number("init_mean", init_mean, 0.01, 0.99,
                "Where logits start: at log((1 - m) / m) for this m.");
  reader.number("epsilon", epsilon, 0, 1,
                "By how much the expected sparsity may miss the target in a state that is kept, "
                "where evaluations are not exact.");
  reader.boolean("exact", exact, "Meet the target to the component when gates are folded.");
}

absl::Status Flop::check(const ModelConfig& config) const {
  if (aim_.cost != nullptr) {
    return absl::InvalidArgumentError(
        "flop counts parameters of the layers, and the target is about something else; aim at a "
        "sparsity, or choose another pruner");
  }
  double fewest = 0;  // a component of each
  for (const LinearSlot& slot : linear_slots(config)) {
    if (slot.place == LinearSlot::Place::kLayer)
      fewest += static_cast<double>(slot.inputs + slot.outputs);
  }
  const double dense = count(config, 1).encoder_parameters;
  return check_reachable("flop", aim_.sparsity, (whole_weights(config) - fewest) / dense);
}

void Flop::prepare(Session& session) {
  torch::NoGradGuard no_grad;
  Model& model = session.model();
  if (dense_ == 0) throw_if_error(check(model.config));  // not of a checkpoint's factors
  // A checkpoint's model has factors, and the checkpoint knows what was there before.
  if (dense_ == 0) dense_ = count(model.config, 1).encoder_parameters;
  auto generator = at::detail::createCPUGenerator(session.seed("flop.start", 0));
  const double mean = std::log((1 - options_.init_mean) / options_.init_mean);
  double all = 0;
  component_size_.clear();
  model.for_each_linear([&](const std::string& name, Linear& linear) {
    if (!linear.factored()) make_factors(name, linear, model.config);
    const int64_t rank = linear.down.size(0);
    const auto size = static_cast<double>(linear.inputs() + linear.outputs());
    log_alpha_.add(name,
                   at::empty({rank}).normal_(mean, kLogitSpread, generator).to(model.device()));
    component_size_[name] = size;
    all += size * static_cast<double>(rank);
  });
  rest_ = count(model.config, 1).encoder_parameters - all;
}

double Flop::wanted(const Step& step) const {
  const auto index = static_cast<double>(step.index);
  const double line = options_.warmup * static_cast<double>(step.total);
  return aim_.sparsity * (index < line ? index / line : 1);
}

void Flop::before_step(Session& session, const Step& step) {
  seed_ = session.seed("flop.draw", step.index);
}

Flop::RankGates Flop::sampled() const {
  auto generator = at::detail::createCPUGenerator(seed_);
  RankGates out;
  for (const auto& [name, logits] : log_alpha_.all()) {
    const Tensor uniform = at::empty(logits.sizes()).uniform_(0, 1, generator);
    out[name] = distribution_.sample(logits, uniform.to(logits.device()));
  }
  return out;
}

Flop::RankGates Flop::deterministic(double closing) const {
  torch::NoGradGuard no_grad;
  RankGates out;
  for (const auto& [name, own] : log_alpha_.all()) {
    const Tensor logits = own.detach().to(at::kCPU);
    Tensor gate = distribution_.deterministic(logits, closing);
    if (!gate.ne(0).any().item<bool>()) {
      const int64_t best = logits.argmax().item<int64_t>();
      const double soft = distribution_.soft_value(logits)[best].item<double>();
      gate[best] = std::max(soft, kLowestOpen);
    }
    out[name] = gate;
  }
  return out;
}

double Flop::left(const RankGates& gates) const {
  double out = rest_;
  for (const auto& [name, gate] : gates)
    out += component_size_.at(name) * static_cast<double>(gate.ne(0).sum().item<int64_t>());
  return out;
}

Flop::RankGates Flop::reaching(double sparsity) const {
  double open = 0, closed = 0;
  for (const Tensor& logits : log_alpha_.tensors()) {
    open = std::min(open, logits.min().item<double>());
    closed = std::max(closed, logits.max().item<double>());
  }
  open -= kFarShift;
  closed += kFarShift;
  const double budget = dense_ * (1 - sparsity) + kParameterSlack;
  if (left(deterministic(open)) <= budget) return deterministic(open);
  for (int i = 0; i < kShiftHalvings; ++i) {
    const double middle = (open + closed) / 2;
    (left(deterministic(middle)) <= budget ? closed : open) = middle;
  }
  return deterministic(closed);
}

std::vector<Gates> Flop::gates(const Step& step, Mode mode) {
  Gates out;
  if (mode == Mode::kTrain) {
    out.rank = sampled();
    return {out};
  }
  out.rank = options_.exact ? reaching(wanted(step)) : deterministic(0);
  for (auto& [name, gate] : out.rank) gate = gate.to(log_alpha_.at(name).device());
  return {out};
}

Tensor Flop::expected_sparsity() const {
  std::vector<double> sizes;
  std::vector<Tensor> open;
  for (const auto& [name, logits] : log_alpha_.all()) {
    sizes.push_back(component_size_.at(name));
    open.push_back(distribution_.open_probability(logits.to(at::kCPU, at::kDouble)));
  }
  return 1 - expected_rank_parameters(sizes, open, rest_) / dense_;
}

Tensor Flop::penalty(const Step& step) {
  return lagrangian_.penalty(expected_sparsity(), wanted(step));
}

void Flop::after_step(Session&, const Step& step) {
  wanted_ = wanted(Step{step.index + 1, step.total, {}});
}

bool Flop::eligible() const {
  if (wanted_ < aim_.sparsity - 1e-9) return false;
  if (options_.exact) return true;
  torch::NoGradGuard no_grad;
  return expected_sparsity().item<double>() >= aim_.sparsity - options_.epsilon;
}

std::vector<ParamGroup> Flop::parameters() {
  ParamGroup logits = log_alpha_.parameters("flop.log_alpha", options_.gate_learning_rate);
  logits.clip = false;
  logits.scheduled = false;
  return {logits, lagrangian_.parameters(options_.multiplier_learning_rate)};
}

void Flop::save(State& state) const {
  log_alpha_.save(state);
  lagrangian_.save(state);
  state.json["dense"] = dense_;
  state.json["wanted"] = wanted_;
}

void Flop::load(const State& state) {
  log_alpha_.load(state);
  lagrangian_.load(state);
  dense_ = state.json.at("dense").get<double>();
  wanted_ = state.json.at("wanted").get<double>();
}

}  // namespace espalier
