#include "core/model/embedding.h"

namespace espalier {
namespace {

// Rows of words. The gradient of a leaf on the CPU holds these rows alone: a dense one is as large
// as the matrix, of which a batch reads little, and is made anew at every step.
Tensor word_rows(const Tensor& words, const Tensor& ids) {
  const bool leaf = words.requires_grad() && words.is_leaf() && words.is_cpu();
  return at::embedding(words, ids, /*padding_idx=*/-1, /*scale_grad_by_freq=*/false,
                       /*sparse=*/leaf);
}

// Words, positions and types, [N, embedding columns].
Tensor text_rows(const Model& model, const Batch& batch, const TokenRows& rows) {
  auto device = model.device();
  Tensor positions = rows.positions();
  if (model.config.position_offset > 0) positions = positions + model.config.position_offset;
  const Tensor ids = batch.ids.to(device, /*non_blocking=*/true);
  Tensor x = word_rows(model.word, ids) + at::embedding(model.position, positions);
  if (!model.token_type.defined()) return x;
  return x + at::embedding(model.token_type, batch.types.to(device, /*non_blocking=*/true));
}

// What each byte becomes, [C,256], in the reference's steps: times `rescale` in float64, then
// float32.
Tensor byte_values(const ImageSettings& image, int64_t channels) {
  auto by_channel = [](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat32).view({-1, 1});
  };
  const Tensor values = (at::arange(256, at::kDouble) * image.rescale).to(at::kFloat);
  return ((values - by_channel(image.mean)) / by_channel(image.std)).expand({channels, 256});
}

// [B, patches, channels * side * side]: patches in reading order, each as the weights of a
// convolution lie, channel by channel, row by row.
Tensor patches_of(const Model& model, const Tensor& pixels) {
  const ModelConfig& config = model.config;
  Tensor images = pixels.view({-1, config.channels, config.image_size, config.image_size});
  if (images.scalar_type() == at::kByte)
    images = normalised(images.to(model.device(), at::kByte, /*non_blocking=*/true), config.image);
  const int64_t side = config.patch_size;
  return images.to(model.device(), model.position.dtype())
      .unfold(2, side, side)
      .unfold(3, side, side)
      .permute({0, 2, 3, 1, 4, 5})
      .flatten(3)
      .flatten(1, 2);
}

// cls, distillation token and patches with their positions, [B * positions, D].
Tensor image_rows(const Model& model, const Batch& batch) {
  Tensor patches = model.patch.forward(patches_of(model, batch.pixels));
  const int64_t count = patches.size(0), width = patches.size(2);
  std::vector<Tensor> parts;
  for (const Tensor& token : {model.cls_token, model.distillation_token}) {
    if (token.defined()) parts.push_back(token.expand({count, 1, width}));
  }
  parts.push_back(patches);
  return (at::cat(parts, 1) + model.position).flatten(0, 1);
}

}  // namespace

void merge_word_gradient(const Model& model) {
  if (!model.word.defined()) return;
  Tensor grad = model.word.grad();
  if (!grad.defined() || !grad.is_sparse()) return;
  torch::NoGradGuard no_grad;
  grad = grad.coalesce();
  const bool most = grad._nnz() * 2 > grad.size(0);
  model.word.mutable_grad() = most ? grad.to_dense() : grad;
}

Tensor normalised(const Tensor& bytes, const ImageSettings& settings) {
  const int64_t channels = bytes.size(1);
  const Tensor first = at::arange(channels, bytes.options().dtype(at::kInt)).view({-1, 1, 1}) * 256;
  return byte_values(settings, channels)
      .flatten()
      .to(bytes.device())
      .index_select(0, (bytes.to(at::kInt) + first).flatten())
      .view_as(bytes);
}

Tensor gated_layer_norm(const Tensor& x, const Norm& norm, const Tensor& gate, double eps) {
  if (!gate.defined()) return norm.forward(x, eps);
  Tensor open = gate.detach().ne(0).to(x.dtype());
  Tensor count = open.sum().clamp_min(1);
  Tensor mean = (x * open).sum(-1, true) / count;
  Tensor centred = (x - mean) * open;
  Tensor variance = centred.square().sum(-1, true) / count;
  return (centred * at::rsqrt(variance + eps) * norm.weight + norm.bias) * gate;
}

Tensor embed_rows(const Model& model, const Batch& batch, const TokenRows& rows, const Tensor& gate,
                  const std::function<Tensor(const Tensor&)>& drop) {
  Tensor x = model.config.reads_images() ? image_rows(model, batch) : text_rows(model, batch, rows);
  // With a projection the stream begins behind it, and the norm has a width of its own.
  const Tensor inner = model.projection.defined() ? Tensor() : gate;
  if (inner.defined()) x = x * inner;
  if (model.embedding_norm.defined())
    x = gated_layer_norm(x, model.embedding_norm, inner, model.config.norm_eps);
  x = drop(x);
  if (!model.projection.defined()) return x;
  x = model.projection.forward(x);
  return gate.defined() ? x * gate : x;
}

}  // namespace espalier
