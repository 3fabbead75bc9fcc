#include "core/prune/cofi.h"

#include <algorithm>
#include <cmath>

#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/prune/reachable.h"

namespace espalier {
namespace {

// Of the logits, after every step.
constexpr double kLowest = -4.605170185988091, kHighest = 4.605170185988091;  // log 0.01, log 100
// Where they start: coarse gates, heads and hidden dimensions open, neurons in doubt.
constexpr double kOpen = 10, kInDoubt = 0, kSpread = 0.01;
// Shifts that close, or open, every gate within the clamp.
constexpr double kFarthest = 30;
constexpr int kHalvings = 40;
constexpr double kSlack = 1e-9;  // of a share

int64_t widest(const ModelConfig& config, int64_t (*units)(const LayerShape&)) {
  int64_t most = 0;
  for (const LayerShape& shape : config.layers) most = std::max(most, units(shape));
  return most;
}
int64_t heads_of(const LayerShape& shape) { return static_cast<int64_t>(shape.kept_heads.size()); }
int64_t neurons_of(const LayerShape& shape) { return shape.neurons; }

Tensor sum_or(const Tensor& open, double all) {
  return open.defined() ? open.to(at::kCPU, at::kDouble).sum() : at::full({}, all, at::kDouble);
}

}  // namespace

Tensor cofi_expected_sparsity(const ModelConfig& config, const Gates& open) {
  const auto layers = static_cast<int64_t>(config.layers.size());
  const double d = config.hidden, heads = config.original_heads;
  const double neurons = config.layers.front().neurons;
  const double attention = 4 * d * d + 4 * d, ffn = 2 * d * neurons + d + neurons;
  const double per_head = std::floor(attention / heads) / d;
  Tensor left = at::zeros({}, at::kDouble);
  for (int64_t i = 0; i < layers; ++i) {
    const auto row = [i](const Tensor& t) { return t.defined() ? t[i] : t; };
    left = left + sum_or(row(open.attention), 1) * sum_or(row(open.head), heads) * per_head +
           2 * sum_or(row(open.ffn), 1) * sum_or(row(open.neuron), neurons);
  }
  return 1 - left * sum_or(open.hidden, d) / (static_cast<double>(layers) * (attention + ffn));
}

void Cofi::Options::read(OptionReader& reader) {
  reader.number("begin", begin, 0, 1, "Share of the steps before gates act.");
  reader.number("ramp_end", ramp_end, 0, 1,
                "Share of the steps at which the target is reached, on a line.");
  reader.number("gate_learning_rate", gate_learning_rate, 1e-6, 10,
                "Learning rate of the gates' logits.");
  reader.number("multiplier_learning_rate", multiplier_learning_rate, 1e-6, 10,
                "Learning rate of the Lagrange multipliers.");
  reader.number("epsilon", epsilon, 0, 1,
                "By how much the expected sparsity may miss the target in a state that is kept.");
  reader.string("count", count, {"encoder", "paper"},
                "What sparsity is a share of: all parameters of the layers, or as the paper counts "
                "them, without biases and norms.");
  reader.boolean("prune_hidden", prune_hidden, "Gates on hidden dimensions, for all layers.");
  reader.boolean("prune_sublayers", prune_sublayers,
                 "Gates on whole attention and FFN sub-layers.");
  reader.boolean("exact", exact, "Meet the target to the unit when gates are folded.");
  reader.boolean("freeze_embeddings", freeze_embeddings, "Embeddings are not trained.");
}

absl::Status Cofi::check(const ModelConfig& config) const {
  if (aim_.cost != nullptr && options_.count == "paper") {
    return absl::InvalidArgumentError(
        "cofi's count is \"paper\", which is about parameters alone, but the target is about "
        "something else; leave the count at \"encoder\", or aim at a sparsity");
  }
  ESPALIER_RETURN_IF_ERROR(check_whole("cofi", config));
  if (options_.count == "paper") {
    for (const LayerShape& shape : config.layers) {
      if (heads_of(shape) == config.original_heads &&
          shape.neurons == config.layers.front().neurons)
        continue;
      return absl::InvalidArgumentError(
          "cofi's count is \"paper\", which is made for layers of one shape, and this model's "
          "differ; leave the count at \"encoder\"");
    }
  }
  if (options_.prune_hidden && config.head == HeadKind::kMaskedLm && !config.has_projection()) {
    return absl::InvalidArgumentError(
        "cofi was asked for gates on hidden dimensions, but they would change the word table that "
        "this masked language model shares with its head; prune_hidden false would work");
  }
  return check_reachable(
      "cofi", aim_.sparsity,
      aim_.cost_of(config).share_gone(all_closed(config, options_.prune_hidden)));
}

void Cofi::prepare(Session& session) {
  const Model& model = session.model();
  throw_if_error(check(model.config));
  config_ = model.config;
  cost_ = std::make_unique<Cost>(aim_.cost_of(config_));
  if (!log_alpha_.empty()) {  // a checkpoint's
    log_alpha_ = log_alpha_.map([&](const Tensor& logits) {
      return logits.detach().to(model.device()).set_requires_grad(true);
    });
    return;
  }
  auto generator = at::detail::createCPUGenerator(session.seed("cofi.start", 0));
  auto logits = [&](at::IntArrayRef shape, double mean) {
    return at::empty(shape)
        .normal_(mean, kSpread, generator)
        .clamp_(kLowest, kHighest)
        .to(model.device())
        .set_requires_grad(true);
  };
  const auto layers = static_cast<int64_t>(config_.layers.size());
  const int64_t heads = widest(config_, heads_of), neurons = widest(config_, neurons_of);
  if (options_.prune_hidden) log_alpha_.hidden = logits({config_.hidden}, kOpen);
  if (options_.prune_sublayers) {
    log_alpha_.attention = logits({layers}, kOpen);
    log_alpha_.ffn = logits({layers}, kOpen);
  }
  if (heads > 0) log_alpha_.head = logits({layers, heads}, kOpen);
  if (neurons > 0) log_alpha_.neuron = logits({layers, neurons}, kInDoubt);
}

bool Cofi::acts(const Step& step) const {
  return static_cast<double>(step.index) >= options_.begin * static_cast<double>(step.total);
}

double Cofi::wanted(const Step& step) const {
  const double at =
      static_cast<double>(step.index) / static_cast<double>(std::max<int64_t>(step.total, 1));
  const double ramp = options_.ramp_end - options_.begin;
  const double way = ramp > 0 ? (at - options_.begin) / ramp : (at >= options_.begin ? 1 : 0);
  return aim_.sparsity * std::clamp(way, 0.0, 1.0);
}

void Cofi::before_step(Session& session, const Step& step) {
  seed_ = session.seed("cofi.draw", step.index);
}

Gates Cofi::sampled() const {
  auto generator = at::detail::createCPUGenerator(seed_);
  return log_alpha_.map([&](const Tensor& logits) {
    Tensor uniform = at::empty(logits.sizes()).uniform_(0, 1, generator).to(logits.device());
    return distribution_.sample(logits, uniform);
  });
}

Gates Cofi::coarse_gates() const {
  torch::NoGradGuard no_grad;
  // Each is a group of its own.
  const auto each = [&](const Tensor& logits) {
    if (!logits.defined()) return Tensor();
    const Tensor own = logits.detach().to(at::kCPU);
    std::vector<Tensor> gates;
    for (int64_t i = 0; i < own.size(0); ++i)
      gates.push_back(distribution_.deterministic(own.narrow(0, i, 1)));
    return at::cat(gates);
  };
  Gates out;
  out.attention = each(log_alpha_.attention);
  out.ffn = each(log_alpha_.ffn);
  return out;
}

Gates Cofi::deterministic(double closing, const Gates& coarse) const {
  torch::NoGradGuard no_grad;
  Gates out = coarse;
  if (log_alpha_.hidden.defined())
    out.hidden = distribution_.deterministic(log_alpha_.hidden.detach().to(at::kCPU), closing);
  // Entries behind a narrower layer's units mean nothing.
  const auto rows = [&](const Tensor& logits, int64_t (*units)(const LayerShape&)) {
    if (!logits.defined()) return Tensor();
    const Tensor fine = logits.detach().to(at::kCPU);
    Tensor gates = at::zeros_like(fine);
    for (int64_t i = 0; i < fine.size(0); ++i) {
      const int64_t count = units(config_.layers[i]);
      if (count == 0) continue;
      gates[i]
          .narrow(0, 0, count)
          .copy_(distribution_.deterministic(fine[i].narrow(0, 0, count), closing));
    }
    return gates;
  };
  out.head = rows(log_alpha_.head, heads_of);
  out.neuron = rows(log_alpha_.neuron, neurons_of);
  return out;
}

Tensor Cofi::expected_sparsity() const {
  const Gates open = log_alpha_.map(
      [this](const Tensor& logits) { return distribution_.open_probability(logits); });
  return options_.count == "paper" ? cofi_expected_sparsity(config_, open)
                                   : 1 - cost_->expected(open) / cost_->dense();
}

double Cofi::actual_sparsity(const Gates& gates) const {
  if (options_.count != "paper") return cost_->share_gone(gates);
  torch::NoGradGuard no_grad;
  return cofi_expected_sparsity(config_,
                                gates.map([](const Tensor& t) { return t.ne(0).to(at::kDouble); }))
      .item<double>();
}

// Opens closed units again, those with the largest logits first, as long as the sparsity holds;
// `more` has the values that they may take.
void Cofi::reopen(Gates& gates, const Gates& more, double sparsity) const {
  struct Closed {
    double logit;
    Tensor gate, value;  // views of one entry
  };
  std::vector<Closed> closed;
  const auto list = [&](const Tensor& logits, Tensor& own, const Tensor& other) {
    if (!own.defined()) return;
    own = own.clone();
    const Tensor flat = own.view(-1), values = other.reshape(-1),
                 order = logits.detach().to(at::kCPU).reshape(-1);
    const Tensor places = flat.eq(0).logical_and(values.ne(0)).nonzero().squeeze(1);
    for (int64_t i = 0; i < places.size(0); ++i) {
      const int64_t at = places[i].item<int64_t>();
      closed.push_back({order[at].item<double>(), flat.narrow(0, at, 1), values.narrow(0, at, 1)});
    }
  };
  list(log_alpha_.hidden, gates.hidden, more.hidden);
  list(log_alpha_.attention, gates.attention, more.attention);
  list(log_alpha_.ffn, gates.ffn, more.ffn);
  list(log_alpha_.head, gates.head, more.head);
  list(log_alpha_.neuron, gates.neuron, more.neuron);
  std::stable_sort(closed.begin(), closed.end(),
                   [](const Closed& a, const Closed& b) { return a.logit > b.logit; });
  for (Closed& one : closed) {
    one.gate.copy_(one.value);
    if (actual_sparsity(gates) < sparsity - kSlack) one.gate.zero_();
  }
}

Gates Cofi::reaching(double sparsity) const {
  torch::NoGradGuard no_grad;
  Gates coarse = coarse_gates();
  const auto reaches = [&](double closing) {
    return actual_sparsity(deterministic(closing, coarse)) >= sparsity - kSlack;
  };
  if (reaches(-kFarthest)) {
    // Closed sub-layers alone are more than enough: some come back, whole.
    Gates gates = deterministic(-kFarthest, coarse), more = gates;
    const auto soft = [&](const Tensor& logits) {
      return logits.defined() ? distribution_.soft_value(logits.detach().to(at::kCPU)) : Tensor();
    };
    more.attention = soft(log_alpha_.attention);
    more.ffn = soft(log_alpha_.ffn);
    reopen(gates, more, sparsity);
    return gates;
  }
  double open = -kFarthest, closed = kFarthest;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (open + closed) / 2;
    (reaches(middle) ? closed : open) = middle;
  }
  // Groups with equal logits close a unit each at the same shift: not all of them are needed.
  Gates gates = deterministic(closed, coarse);
  reopen(gates, deterministic(open, coarse), sparsity);
  return gates;
}

std::vector<Gates> Cofi::gates(const Step& step, Mode mode) {
  if (!acts(step)) return {Gates()};
  if (mode == Mode::kTrain) return {sampled()};
  Gates gates = options_.exact ? reaching(wanted(step)) : deterministic(0, coarse_gates());
  const auto device = log_alpha_.tensors().front().device();
  return {gates.map([&](const Tensor& t) { return t.to(device); })};
}

Tensor Cofi::penalty(const Step& step) {
  if (!acts(step)) return {};
  return lagrangian_.penalty(expected_sparsity(), wanted(step));
}

void Cofi::after_step(Session&, const Step& step) {
  torch::NoGradGuard no_grad;
  wanted_ = wanted(Step{step.index + 1, step.total, {}});
  for (Tensor& logits : log_alpha_.tensors()) logits.clamp_(kLowest, kHighest);
}

bool Cofi::eligible() const {
  torch::NoGradGuard no_grad;
  if (wanted_ < aim_.sparsity) return false;  // the ramp goes on
  return options_.exact || expected_sparsity().item<double>() >= aim_.sparsity - options_.epsilon;
}

bool Cofi::trains(const std::string& name) const {
  return !options_.freeze_embeddings || !name.starts_with("embeddings.");
}

std::vector<ParamGroup> Cofi::parameters() {
  ParamGroup logits;
  logits.name = "cofi.log_alpha";
  logits.parameters = log_alpha_.tensors();
  logits.learning_rate = options_.gate_learning_rate;
  logits.clip = false;
  logits.scheduled = false;
  return {logits, lagrangian_.parameters(options_.multiplier_learning_rate)};
}

void Cofi::save(State& state) const {
  const auto keep = [&](const char* name, const Tensor& logits) {
    if (logits.defined()) state.tensors[name] = logits.detach();
  };
  keep("log_alpha.hidden", log_alpha_.hidden);
  keep("log_alpha.attention", log_alpha_.attention);
  keep("log_alpha.ffn", log_alpha_.ffn);
  keep("log_alpha.head", log_alpha_.head);
  keep("log_alpha.neuron", log_alpha_.neuron);
  state.json["wanted"] = wanted_;
  lagrangian_.save(state);
}

void Cofi::load(const State& state) {
  torch::NoGradGuard no_grad;
  const auto take = [&](const char* name, Tensor& logits) {
    const auto found = state.tensors.find(name);
    if (found == state.tensors.end()) return;
    if (logits.defined()) {  // the optimiser holds it
      logits.copy_(found->second);
    } else {
      logits = found->second.clone().set_requires_grad(true);
    }
  };
  take("log_alpha.hidden", log_alpha_.hidden);
  take("log_alpha.attention", log_alpha_.attention);
  take("log_alpha.ffn", log_alpha_.ffn);
  take("log_alpha.head", log_alpha_.head);
  take("log_alpha.neuron", log_alpha_.neuron);
  wanted_ = state.json.at("wanted").get<double>();
  lagrangian_.load(state);
}

}  // namespace espalier
