#include "core/prune/trained_scores.h"

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"

namespace espalier {
namespace {
constexpr char kScorePrefix[] = "score.";
}  // namespace

Tensor top_mask(const Tensor& scores, int64_t count) {
  torch::NoGradGuard no_grad;
  const Tensor flat = scores.detach().flatten();
  const int64_t all = flat.numel();
  if (count >= all) return at::ones_like(scores.detach());
  if (count <= 0) return at::zeros_like(scores.detach());
  const Tensor lowest = std::get<0>(at::kthvalue(flat, all - count + 1));  // of those that stay
  const Tensor above = flat.gt(lowest);
  const Tensor equal = flat.eq(lowest).nonzero().squeeze(1);
  const int64_t missing = count - above.sum().item<int64_t>();
  Tensor mask = above.to(scores.scalar_type());
  mask.index_fill_(0, equal.narrow(0, 0, missing), 1);
  return mask.view(scores.sizes());
}

std::vector<Tensor> top_masks(const std::vector<Tensor>& scores, int64_t count) {
  if (scores.empty()) return {};
  torch::NoGradGuard no_grad;
  std::vector<Tensor> flat, out;
  for (const Tensor& s : scores) flat.push_back(s.detach().flatten());
  const Tensor mask = top_mask(at::cat(flat), count);
  int64_t begin = 0;
  for (const Tensor& s : scores) {
    out.push_back(mask.narrow(0, begin, s.numel()).view(s.sizes()));
    begin += s.numel();
  }
  return out;
}

Tensor threshold_mask(const Tensor& scores, double threshold, double least) {
  torch::NoGradGuard no_grad;
  const auto share = static_cast<int64_t>(least * static_cast<double>(scores.numel()));
  const int64_t fewest = share + 1;
  const Tensor open = at::sigmoid(scores.detach()).gt(threshold);
  if (open.sum().item<int64_t>() < fewest) return top_mask(scores, fewest);
  return open.to(scores.scalar_type());
}

Tensor straight_through(const Tensor& mask, const Tensor& scores) {
  return mask + (scores - scores.detach());
}

Tensor mean_sigmoid(const std::vector<Tensor>& scores) {
  std::vector<Tensor> means;
  for (const Tensor& s : scores) means.push_back(at::sigmoid(s).mean());
  return at::stack(means).mean();
}

void TrainedScores::add(const std::string& name, const Tensor& start) {
  Tensor& score = scores_[name];
  if (!score.defined()) score = start;
  TORCH_CHECK(score.sizes() == start.sizes(), "the checkpoint has scores of ", score.sizes(),
              " for ", name, ", which has ", start.sizes());
  score = score.detach().to(start.device()).set_requires_grad(true);
}

std::vector<Tensor> TrainedScores::tensors() const {
  std::vector<Tensor> out;
  for (const auto& [name, score] : scores_) out.push_back(score);
  return out;
}

ParamGroup TrainedScores::parameters(const std::string& group, double learning_rate) const {
  ParamGroup out;
  out.name = group;
  out.parameters = tensors();
  out.learning_rate = learning_rate;
  return out;
}

void TrainedScores::save(State& state) const {
  for (const auto& [name, score] : scores_) state.tensors[kScorePrefix + name] = score.detach();
}

void TrainedScores::load(const State& state) {
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state.tensors) {
    if (!name.starts_with(kScorePrefix)) continue;
    Tensor& score = scores_[name.substr(sizeof(kScorePrefix) - 1)];
    if (score.defined()) {  // the optimiser holds it
      score.copy_(tensor);
    } else {
      score = tensor.clone();
    }
  }
}

}  // namespace espalier
