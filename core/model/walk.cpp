#include "core/model/walk.h"

#include "core/model/heads.h"
#include "core/spec/families.h"

namespace espalier {
namespace {

// Place of the exit head that reads `layer` in config.heads, or -1. Heads of other kinds (a skip
// gate) read a layer too and are no exits.
int exit_at(const ModelConfig& config, int layer) {
  for (size_t i = 0; i < config.heads.size(); ++i) {
    const HeadSpec& head = config.heads[i];
    if (head.layer == layer && head.kind == "pooler_classifier") return static_cast<int>(i);
  }
  return -1;
}

void gather(TensorMap& map, const Tensor& index) {
  for (auto& [name, tensor] : map) tensor = tensor.index_select(0, index);
}

}  // namespace

Walk::Walk(Backend& backend, const Batch& batch, const Gates& gates, const WalkOptions& options)
    : backend_(backend),
      model_(backend.model()),
      gates_(gates),
      options_(options),
      rows_(batch.rows()),
      asked_(batch.asked) {
  LayerGates embedding_gates;
  embedding_gates.hidden = gates.hidden;
  x_ = backend_.embed(batch, embedding_gates);
  auto device = model_.device();
  row_ = at::arange(rows_, at::TensorOptions().dtype(at::kLong).device(device));
  if (options_.policy != nullptr) state_ = options_.policy->start(batch, options_.knobs);
  if (options_.record.hidden) trace_.embedding = backend_.tokens(x_);
  trace_.exit_logits.resize(model_.heads.size());
}

void Walk::answer(const Tensor& position, const Tensor& logits, int64_t layer) {
  if (!trace_.logits.defined()) {
    trace_.logits = at::empty({rows_, logits.size(1)}, logits.options());
    trace_.exit_layer = at::zeros({rows_}, position.options());
  }
  trace_.logits.index_copy_(0, position, logits);
  trace_.exit_layer.index_fill_(0, position, layer);
}

void Walk::leave(const LayerView& view, const Tensor& share) {
  Leave decision = options_.policy->leave(view, state_);
  Tensor go = decision.go;
  if (share.defined()) go = go.logical_and(share.lt(1));  // who skipped has nothing new to judge
  go = go.logical_or(state_.knobs.max_layer.le(view.layer + 1));
  Tensor gone = go.nonzero().squeeze(1);  // the one wait of an exit check
  if (gone.size(0) == 0) return;
  answer(row_.index_select(0, gone), decision.logits.index_select(0, gone), view.layer + 1);
  if (gone.size(0) == row_.size(0)) {
    done_ = true;
    return;
  }
  Tensor stay = go.logical_not().nonzero().squeeze(1);
  row_ = row_.index_select(0, stay);
  x_ = backend_.take(x_, stay);
  gather(state_.row, stay);
  state_.knobs.threshold = state_.knobs.threshold.index_select(0, stay);
  state_.knobs.max_layer = state_.knobs.max_layer.index_select(0, stay);
}

// Of the last layer's states.
bool Walk::reads_firsts_alone() const {
  const Record& record = options_.record;
  return model_.config.head == HeadKind::kSequence && model_.config.pooling == Pooling::kFirst &&
         !record.hidden && record.attention == RecordAttention::kNone;
}

bool Walk::layer() {
  const int layers = static_cast<int>(model_.layers.size());
  if (done_ || next_ == layers) return false;
  const int i = next_++;
  const Layer& weights = model_.layers[i];
  LayerGates gates = layer_gates(gates_, model_.config, i);
  const bool sealed = !gates_.attention_on.empty();

  LayerView view;
  view.layer = i;
  view.layers = layers;
  Tensor share;
  Hidden before = x_;
  if (options_.policy != nullptr) {
    view.cls = backend_.cls(x_);
    share = options_.policy->skip(view, state_);
  }
  const bool attends = weights.has_attention() && (!sealed || gates_.attention_on[i]);
  if (i + 1 == layers && !share.defined() && reads_firsts_alone()) {
    x_ = attends ? backend_.attend_firsts(i, x_, gates) : backend_.firsts(x_);
  } else if (attends) {
    AttentionMaps maps{options_.record.attention, {}};
    const bool wanted = maps.kind != RecordAttention::kNone;
    x_ = backend_.attend(i, x_, gates, wanted ? &maps : nullptr);
    if (wanted) trace_.attention.push_back(maps.values);
  } else if (options_.record.attention != RecordAttention::kNone) {
    trace_.attention.emplace_back();
  }
  if (options_.policy != nullptr) {
    TokenPlan plan = options_.policy->tokens(view, state_);
    TORCH_CHECK(!plan.fate.defined(), "no backend can freeze or fuse tokens yet");
  }
  if (weights.has_ffn() && (!sealed || gates_.ffn_on[i])) x_ = backend_.feed(i, x_, gates);
  Hidden raw = x_;
  if (share.defined()) x_ = backend_.blend(raw, before, share);
  if (options_.record.hidden) trace_.hidden.push_back(backend_.tokens(x_));

  int exit = exit_at(model_.config, i);
  if (exit >= 0 && i + 1 < layers && (options_.policy != nullptr || options_.record.exits)) {
    view.cls = backend_.cls(backend_.finish(raw, gates));
    view.logits = head_logits(model_.heads[exit].pooler, model_.heads[exit].classifier, view.cls,
                              "tanh", {.classifier = options_.head_dropout});
    if (options_.record.exits) trace_.exit_logits[exit] = view.logits;
    if (options_.policy != nullptr) leave(view, share);
  }
  return !done_ && next_ < layers;
}

// What the task head makes of the last layer's states.
Tensor Walk::head(const Hidden& last) {
  const ModelConfig& config = model_.config;
  const double dropout = options_.head_dropout;
  auto sequence = [&](HeadDropout share) {
    Tensor row = config.pooling == Pooling::kMean ? backend_.mean(last) : backend_.cls(last);
    return head_logits(model_.pooler, model_.classifier, row, config.head_activation, share);
  };
  if (config.head == HeadKind::kSequence)
    return sequence({facts_of(config).drops_before_pooler ? dropout : 0, dropout});
  Tensor tokens = backend_.tokens(last);
  if (config.head == HeadKind::kToken) return token_logits(model_, tokens, dropout);
  // BertForPreTraining drops nothing here.
  if (model_.classifier.defined()) trace_.sentence_logits = sequence({});
  if (asked_.defined())
    tokens = tokens.index_select(0, asked_.to(tokens.device(), /*non_blocking=*/true));
  return word_logits(model_, tokens);
}

Trace Walk::finish() {
  if (!done_ && (model_.classifier.defined() || model_.lm_dense.defined())) {
    LayerGates gates;
    gates.hidden = gates_.hidden;
    Tensor logits = head(backend_.finish(x_, gates));
    auto layers = static_cast<int64_t>(model_.layers.size());
    if (row_.size(0) == rows_) {  // nobody left before: no copy, and gradients flow
      trace_.logits = logits;
      trace_.exit_layer = at::full({rows_}, layers, row_.options());
    } else {
      answer(row_, logits, layers);
    }
  }
  return std::move(trace_);
}

Trace walk(Backend& backend, const Batch& batch, const Gates& gates, const WalkOptions& options) {
  Walk steps(backend, batch, gates, options);
  while (steps.layer()) {
  }
  return steps.finish();
}

}  // namespace espalier
