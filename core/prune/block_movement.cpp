#include "core/prune/block_movement.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/method/schedule.h"
#include "core/prune/reachable.h"

namespace espalier {
namespace {

// Least share of a part that stays open in training.
constexpr double kLeastOfPart = 0.005;
// How far the share that is gone may fall short of the target: a rounding.
constexpr double kShareSlack = 1e-9;

int64_t layers_in(const ModelConfig& config) { return static_cast<int64_t>(config.layers.size()); }

// 1 at the largest of each row's entries that `row` names.
Tensor largest_in_row(const Tensor& rows, int64_t row) {
  Tensor out = at::zeros_like(rows);
  out[row][rows[row].argmax().item<int64_t>()] = 1;
  return out;
}

}  // namespace

int64_t divisor_up_to(int64_t size, int64_t most) {
  int64_t divisor = std::min(size, most);
  while (size % divisor != 0) --divisor;
  return divisor;
}

Tensor expand_blocks(const Tensor& blocks, const BlockSize& size) {
  const int64_t rows = blocks.size(0), cols = blocks.size(1);
  return blocks.reshape({rows, 1, cols, 1})
      .expand({rows, size.rows, cols, size.cols})
      .reshape({rows * size.rows, cols * size.cols});
}

Tensor head_slices(const Tensor& blocks, int64_t heads, HeadAxis axis) {
  return (axis == HeadAxis::kRows ? blocks : blocks.t()).reshape({heads, -1});
}

Tensor from_head_slices(const Tensor& slices, const Tensor& like, HeadAxis axis) {
  if (axis == HeadAxis::kRows) return slices.reshape(like.sizes());
  return slices.reshape({like.size(1), like.size(0)}).t().contiguous();
}

Tensor whole_heads(const std::vector<Tensor>& open, int64_t heads) {
  TORCH_CHECK(open.size() == 4, "blocks of q, k, v and o, and these are of ", open.size());
  Tensor whole = at::ones({heads}, at::kBool);
  for (size_t i = 0; i < open.size(); ++i) {
    const HeadAxis axis = i < 3 ? HeadAxis::kRows : HeadAxis::kColumns;
    whole = whole.logical_and(head_slices(open[i], heads, axis).ne(0).any(1));
  }
  return whole;
}

Tensor refilled(const Tensor& weight, const Tensor& open, const Tensor& noise) {
  torch::NoGradGuard no_grad;
  const Tensor now = weight.detach(), kept = now.masked_select(open);
  return at::where(open, now, kept.mean() + kept.std(/*unbiased=*/false) * noise * 0.01);
}

void BlockMovement::Options::read(OptionReader& reader) {
  reader.integer("block_rows", block_rows, 1, 1024,
                 "Side of a block along the dimensions of a head, or less if that divides them.");
  reader.integer("block_cols", block_cols, 1, 1024,
                 "Side of a block along the hidden dimensions, or less if that divides them.");
  reader.number("ramp_begin", ramp_begin, 0, 1, "Share of the steps before anything closes.");
  reader.number("ramp_end", ramp_end, 0, 1, "Share of the steps at which the target is reached.");
  reader.number("score_learning_rate", score_learning_rate, 0, 10, "Learning rate of the scores.");
  reader.number("threshold", threshold, 0, 1,
                "What a score's sigmoid must exceed in training at the ramp's end.");
  reader.number("penalty", penalty, 0, 1e6,
                "What the mean sigmoid of the scores is multiplied by at the ramp's end.");
  reader.number("attention_penalty", attention_penalty, 0, 1e6, "Weight of attention therein.");
  reader.number("dense_penalty", dense_penalty, 0, 1e6, "Weight of the neurons therein.");
  reader.boolean("keep_one", keep_one,
                 "The best head and neuron of a layer go only if the target cannot be met else.");
  reader.boolean("fill", fill,
                 "What is left is dense: a smaller model without masks. Else masks stay inside.");
}

void BlockMovement::add_attention(const Model& model, int layer) {
  const LayerShape& shape = config_.layers[layer];
  const int64_t width = int64_t{config_.head_count(layer)} * shape.head_dim;
  const int64_t hidden = config_.hidden;
  const int64_t along_head = divisor_up_to(shape.head_dim, options_.block_rows);
  const int64_t along_stream = divisor_up_to(hidden, options_.block_cols);
  const auto add = [&](const char* name, HeadAxis axis, const BlockSize& block, int64_t rows,
                       int64_t cols) {
    parts_.push_back(
        {absl::StrCat("layers.", layer, ".attention.", name), layer, false, axis, block});
    scores_.add(parts_.back().name, at::zeros({rows / block.rows, cols / block.cols},
                                              at::TensorOptions(model.device())));
  };
  for (const char* name : {"query", "key", "value"})
    add(name, HeadAxis::kRows, {along_head, along_stream}, width, hidden);
  add("output", HeadAxis::kColumns, {along_stream, along_head}, hidden, width);
}

absl::Status BlockMovement::check(const ModelConfig& config) const {
  ESPALIER_RETURN_IF_ERROR(check_whole("block_movement", config));
  return check_reachable("block_movement", aim_.sparsity,
                         aim_.cost_of(config).share_gone(all_closed(config, false)));
}

void BlockMovement::prepare(Session& session) {
  Model& model = session.model();
  throw_if_error(check(model.config));
  config_ = model.config;
  cost_ = std::make_unique<Cost>(aim_.cost_of(config_));
  parts_.clear();
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    if (model.layers[i].has_attention()) add_attention(model, i);
    if (!model.layers[i].has_ffn()) continue;
    parts_.push_back({absl::StrCat("layers.", i, ".ffn"), i, true});
    scores_.add(parts_.back().name,
                at::zeros({config_.layers[i].neurons}, at::TensorOptions(model.device())));
  }
}

double BlockMovement::ramp(const Step& step, double target) const {
  return cubic_sparsity(step.index, step.total, options_.ramp_begin, options_.ramp_end, target);
}

Tensor BlockMovement::training_mask(const Part& part, double threshold) const {
  return threshold_mask(scores_.at(part.name), threshold, kLeastOfPart);
}

BlockMovement::Masks BlockMovement::training_masks(const Step& step) const {
  if (ramp(step, 1) >= 1) return cut(aim_.sparsity);
  Masks out;
  for (const Part& part : parts_)
    out[part.name] = training_mask(part, ramp(step, options_.threshold));
  return out;
}

Gates BlockMovement::training_gates(const Step& step) const {
  const Masks masks = training_masks(step);
  int64_t widest = 0;
  for (const LayerShape& shape : config_.layers) widest = std::max<int64_t>(widest, shape.neurons);
  Gates out;
  std::vector<Tensor> rows(config_.layers.size());  // of neurons
  for (const Part& part : parts_) {
    const Tensor& score = scores_.at(part.name);
    const Tensor gate = straight_through(masks.at(part.name).to(score.device()), score);
    if (part.neurons) {
      rows[part.layer] = at::constant_pad_nd(gate, {0, widest - gate.size(0)});
    } else {
      out.weight[part.name] = expand_blocks(gate, part.block);
    }
  }
  if (widest == 0) return out;
  const auto device = scores_.tensors().front().device();
  for (Tensor& row : rows) {
    if (!row.defined()) row = at::zeros({widest}, at::TensorOptions(device));
  }
  out.neuron = at::stack(rows);
  return out;
}

BlockMovement::Masks BlockMovement::protected_units() const {
  Masks out;
  // A head lives as long as its weakest slice, and that as long as its strongest block.
  std::map<int, std::vector<Tensor>> strongest;
  for (const Part& part : parts_) {
    const Tensor score = scores_.at(part.name).detach().to(at::kCPU);
    if (part.neurons) {
      out[part.name] = largest_in_row(score.unsqueeze(0), 0).squeeze(0);
    } else {
      const Tensor slices = head_slices(score, config_.head_count(part.layer), part.axis);
      strongest[part.layer].push_back(std::get<0>(slices.max(1)));
    }
  }
  for (const Part& part : parts_) {
    if (part.neurons) continue;
    const Tensor weakest = std::get<0>(at::stack(strongest.at(part.layer)).min(0));
    const Tensor score = scores_.at(part.name).detach().to(at::kCPU);
    const Tensor slices = head_slices(score, config_.head_count(part.layer), part.axis);
    out[part.name] = from_head_slices(largest_in_row(slices, weakest.argmax().item<int64_t>()),
                                      score, part.axis);
  }
  return out;
}

Tensor BlockMovement::ranked_scores() const {
  std::vector<Tensor> scores, last;
  const Masks kept = options_.keep_one ? protected_units() : Masks();
  for (const Part& part : parts_) {
    scores.push_back(scores_.at(part.name).detach().to(at::kCPU, at::kDouble).flatten());
    if (options_.keep_one) last.push_back(kept.at(part.name).to(at::kDouble).flatten());
  }
  const Tensor all = at::cat(scores);
  return options_.keep_one ? all + at::cat(last) * (all.max() - all.min() + 1) : all;
}

BlockMovement::Masks BlockMovement::cut(double sparsity) const {
  torch::NoGradGuard no_grad;
  if (parts_.empty()) return {};
  const Tensor order = std::get<1>(at::sort(ranked_scores(), /*stable=*/true, 0, false));
  const auto close_first = [&](int64_t count) {
    Tensor keep = at::ones({order.size(0)});
    keep.index_fill_(0, order.narrow(0, 0, count), 0);
    Masks open;
    int64_t begin = 0;
    for (const Part& part : parts_) {
      const Tensor& score = scores_.at(part.name);
      open[part.name] = keep.narrow(0, begin, score.numel()).view(score.sizes());
      begin += score.numel();
    }
    return open;
  };
  int64_t low = 0, high = order.size(0);
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (share_gone(close_first(middle)) >= sparsity - kShareSlack) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return close_first(high);
}

Gates BlockMovement::structure(const Masks& open) const {
  int64_t heads = 0, neurons = 0;
  for (const LayerShape& shape : config_.layers) {
    heads = std::max<int64_t>(heads, static_cast<int64_t>(shape.kept_heads.size()));
    neurons = std::max<int64_t>(neurons, shape.neurons);
  }
  Gates gates;
  if (heads > 0) gates.head = at::zeros({layers_in(config_), heads});
  if (neurons > 0) gates.neuron = at::zeros({layers_in(config_), neurons});
  std::map<int, std::vector<Tensor>> attention;
  for (const Part& part : parts_) {
    const Tensor& mask = open.at(part.name);
    if (part.neurons) {
      gates.neuron[part.layer].narrow(0, 0, mask.size(0)).copy_(mask);
    } else {
      attention[part.layer].push_back(mask);
    }
  }
  for (const auto& [layer, masks] : attention) {
    const int64_t count = config_.head_count(layer);
    gates.head[layer].narrow(0, 0, count).copy_(whole_heads(masks, count));
  }
  return gates;
}

// Blocks of a head that goes are open here: the head's gate takes them, and they are counted once.
std::map<std::string, Tensor> BlockMovement::inner_gates(const Masks& open,
                                                         const Tensor& head) const {
  std::map<std::string, Tensor> out;
  for (const Part& part : parts_) {
    if (part.neurons) continue;
    const int64_t heads = config_.head_count(part.layer);
    const Tensor& blocks = open.at(part.name);
    const Tensor gone = head[part.layer].narrow(0, 0, heads).eq(0).unsqueeze(1);
    const Tensor slices = head_slices(blocks, heads, part.axis).masked_fill(gone, 1);
    if (slices.ne(0).all().item<bool>()) continue;
    out[part.name] = expand_blocks(from_head_slices(slices, blocks, part.axis), part.block);
  }
  return out;
}

double BlockMovement::share_gone(const Masks& open) const {
  Gates gates = structure(open);
  if (!options_.fill) gates.weight = inner_gates(open, gates.head);
  return cost_->share_gone(gates);
}

std::vector<Gates> BlockMovement::gates(const Step& step, Mode mode) {
  if (parts_.empty()) return {Gates()};
  if (mode == Mode::kTrain) return {training_gates(step)};
  torch::NoGradGuard no_grad;
  const Masks open = cut(ramp(step, aim_.sparsity));
  Gates out = structure(open);
  out.weight = inner_gates(open, out.head);
  const auto device = scores_.tensors().front().device();
  return {out.map([&](const Tensor& t) { return t.to(device); })};
}

Tensor BlockMovement::penalty(const Step& step) {
  const double weight = ramp(step, options_.penalty) / 2;
  if (weight == 0) return {};
  std::vector<Tensor> attention, dense;
  for (const Part& part : parts_)
    (part.neurons ? dense : attention).push_back(scores_.at(part.name));
  Tensor sum;
  const auto add = [&](const std::vector<Tensor>& scores, double share) {
    if (scores.empty()) return;
    const Tensor part = mean_sigmoid(scores) * (share * weight);
    sum = sum.defined() ? sum + part : part;
  };
  add(attention, options_.attention_penalty);
  add(dense, options_.dense_penalty);
  return sum;
}

void BlockMovement::after_step(Session&, const Step& step) {
  reached_ = ramp(Step{step.index + 1, step.total, {}}, aim_.sparsity);
}

Gates BlockMovement::settle(Session& session, Gates gates) {
  if (!options_.fill) return gates;
  torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(session.seed("block_movement.fill", 0));
  std::map<std::string, Linear*> linears;
  session.model().for_each_linear([&](const std::string& name, Linear& l) { linears[name] = &l; });
  for (const Part& part : parts_) {
    const auto inner = gates.weight.find(part.name);
    if (inner == gates.weight.end()) continue;
    Linear& linear = *linears.at(part.name);
    const int64_t heads = config_.head_count(part.layer);
    // Of the heads that stay, as a mask of the matrix.
    const Tensor head = gates.head[part.layer].narrow(0, 0, heads).ne(0);
    const int64_t along = part.axis == HeadAxis::kRows ? 0 : 1;
    const Tensor whole =
        head.repeat_interleave(linear.weight.size(along) / heads).unsqueeze(1 - along);
    const Tensor open = inner->second.ne(0).logical_and(whole.to(inner->second.device()));
    const Tensor noise = at::empty(linear.weight.sizes()).normal_(0, 1, generator);
    if (open.any().item<bool>())
      linear.weight.copy_(refilled(linear.weight, open, noise.to(linear.weight.device())));
  }
  gates.weight.clear();
  return gates;
}

std::vector<ParamGroup> BlockMovement::parameters() {
  return {scores_.parameters("block_movement.scores", options_.score_learning_rate)};
}

void BlockMovement::save(State& state) const {
  scores_.save(state);
  state.json["reached"] = reached_;
}

void BlockMovement::load(const State& state) {
  scores_.load(state);
  reached_ = state.json.at("reached").get<double>();
}

}  // namespace espalier
