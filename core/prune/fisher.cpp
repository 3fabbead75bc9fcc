#include "core/prune/fisher.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/prune/fisher_tuning.h"
#include "core/prune/reachable.h"

namespace espalier {
namespace {

// Of the dense cost: so much may sums over price lists be off.
constexpr double kRounding = 1e-10;

// Gates of 1 for every head and neuron.
Gates all_open(const Model& model) {
  const auto options = model.position.options().requires_grad(false);
  return all_closed(model.config, /*hidden=*/false).map([&](const Tensor& t) {
    return at::ones(t.sizes(), options);
  });
}

// Each layer's own entries of a mask [L,U], by its gradients [n,L,U].
void rearrange_layers(Tensor& mask, const Tensor& gradients, const UnitMarket& market) {
  for (int64_t layer = 0; layer < mask.size(0); ++layer) {
    const auto units = static_cast<int64_t>(market.prices[layer].size()) - 1;
    const Tensor own = mask[layer].narrow(0, 0, units);
    own.copy_(rearranged(own, gradients.select(1, layer).narrow(1, 0, units)));
  }
}

// A mask with the values under which its open units were trained.
Tensor continued(const Tensor& mask, const Tensor& trained) {
  return mask * trained.masked_fill(trained.eq(0), 1);
}

}  // namespace

void Fisher::Options::read(OptionReader& reader) {
  reader.integer("batches", batches, 1, 100000,
                 "Batches of the prune phase's batch size that the sample has.");
  reader.boolean("rearrange", rearrange,
                 "Exchange units of a layer for what they do together after the search.");
  reader.boolean("tune", tune, "Fit the values of the units that stay by least squares.");
  reader.boolean("drop_sublayers", drop_sublayers,
                 "Whether the search tries to drop whole sub-layers in favour of other units.");
  reader.string("parent", parent, {"halfway", "dense"},
                "Whose sub-layers the tuned ones are to equal: those of the model at the square "
                "root of the share that is to be left, or the dense model's.");
  reader.number("damp", damp, 1e-6, 1e6,
                "Weight of the distance from 1 in the least squares of the tuning.");
}

absl::Status Fisher::check(const ModelConfig& config) const {
  ESPALIER_RETURN_IF_ERROR(check_whole("fisher", config));
  return check_reachable("fisher", aim_.sparsity,
                         aim_.cost_of(config).share_gone(all_closed(config, false)));
}

void Fisher::prepare(Session& session) {
  throw_if_error(check(session.model().config));
  if (gates_.empty()) {  // not when a checkpoint was loaded
    observe(session);
    prune(session);
  }
  const auto device = session.model().device();
  gates_ = gates_.map([&](const Tensor& t) { return t.to(device); });
  trained_ = trained_.map([&](const Tensor& t) { return t.to(device); });
}

void Fisher::observe(Session& session) {
  Model& model = session.model();
  std::vector<Tensor> head, neuron;
  const auto keep = [](std::vector<Tensor>& list, const Tensor& gate) {
    list.push_back((gate.grad().defined() ? gate.grad() : at::zeros_like(gate)).to(at::kCPU));
  };
  model.set_requires_grad(false);  // gates' gradients alone: two thirds of the work
  for (int64_t draw = 0; draw < options_.batches; ++draw) {
    Gates open = all_open(model).map([](const Tensor& t) { return t.set_requires_grad(true); });
    open.seal(model.config);
    session.task_gradients(open, draw);
    keep(head, open.head);
    keep(neuron, open.neuron);
  }
  model.set_requires_grad(true);
  gradients_ = {at::stack(head), at::stack(neuron)};
}

Gates Fisher::searched(const Model& model, double sparsity) const {
  const ModelConfig& config = model.config;
  const auto function = aim_.cost == nullptr ? parameters_cost(config) : aim_.cost;
  const Cost cost = aim_.cost_of(config);
  const UnitMarket heads = {diagonal_fisher(gradients_.head), head_prices(config, *function)};
  const UnitMarket neurons = {diagonal_fisher(gradients_.neuron), neuron_prices(config, *function)};
  // What stands beside the layers is what is left when all of them are gone.
  const double rest = cost.actual(all_closed(config, /*hidden=*/false));
  const double budget = (1 - sparsity + kRounding) * cost.dense() - rest;
  UnitMasks masks = search_units(heads, neurons, budget, options_.drop_sublayers);
  if (options_.rearrange) {
    rearrange_layers(masks.head, gradients_.head, heads);
    rearrange_layers(masks.neuron, gradients_.neuron, neurons);
  }
  Gates gates;
  gates.head = masks.head.to(model.device());
  gates.neuron = masks.neuron.to(model.device());
  gates.seal(config);
  if (cost.share_gone(gates) >= sparsity - 1e-9) return gates;
  throw StatusError(absl::InvalidArgumentError(absl::StrCat(
      "fisher was to take away a share of ", sparsity, " of what the target counts and reaches ",
      cost.share_gone(gates), "; aim lower")));
}

void Fisher::prune(Session& session) {
  torch::NoGradGuard no_grad;
  const Model& model = session.model();
  gates_ = searched(model, aim_.sparsity);
  if (options_.tune && aim_.sparsity > 0) {
    // Each token gives as many equations as there are hidden dimensions: more would be time alone.
    constexpr int64_t kMostTokens = 32768;
    std::vector<Batch> sample;
    int64_t tokens = 0;
    for (int64_t draw = 0; draw < options_.batches && tokens < kMostTokens; ++draw) {
      for (Batch& batch : session.sample(draw)) {
        tokens += batch.tokens();
        sample.push_back(std::move(batch));
      }
    }
    const bool halfway = options_.parent == "halfway";
    Gates parent = trained_;
    if (parent.empty()) {
      parent = searched(model, halfway ? 1 - std::sqrt(1 - aim_.sparsity) : 0);
    } else {
      gates_.head = continued(gates_.head, trained_.head);
      gates_.neuron = continued(gates_.neuron, trained_.neuron);
    }
    parent.seal(model.config);
    gates_ = tuned(model, sample, parent, gates_, options_.damp);
  }
  made_for_ = aim_.sparsity;
}

void Fisher::after_step(Session&, const Step&) {
  if (trained_.empty()) trained_ = gates_;
}

void Fisher::finish(Session& session) {
  if (made_for_ != aim_.sparsity) prune(session);
}

std::vector<Gates> Fisher::gates(const Step&, Mode) { return {gates_}; }

bool Fisher::eligible() const { return made_for_ >= aim_.sparsity - 1e-9; }

void Fisher::save(State& state) const {
  state.tensors["gates.head"] = gates_.head.clone();
  state.tensors["gates.neuron"] = gates_.neuron.clone();
  state.tensors["gradients.head"] = gradients_.head;
  state.tensors["gradients.neuron"] = gradients_.neuron;
  state.json["made_for"] = made_for_;
  state.json["trained"] = !trained_.empty();
}

void Fisher::load(const State& state) {
  const auto like = [&](const Tensor& was, const char* name) {
    const Tensor& saved = state.tensors.at(name);
    return was.defined() ? saved.to(was.device()) : saved.clone();
  };
  gates_.head = like(gates_.head, "gates.head");
  gates_.neuron = like(gates_.neuron, "gates.neuron");
  gradients_ = {state.tensors.at("gradients.head"), state.tensors.at("gradients.neuron")};
  made_for_ = state.json.at("made_for").get<double>();
  trained_ = state.json.at("trained").get<bool>() ? gates_ : Gates();
}

}  // namespace espalier
