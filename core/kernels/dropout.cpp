#include "core/kernels/dropout.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <mutex>

#include "core/kernels/lanes.h"

namespace espalier {
namespace {

using torch::Tensor;

constexpr int64_t kDropGrain = 1024;  // vectors a thread is worth waking for

// `count` vectors, the first of which holds the elements from `index` on.
ESPALIER_CLONES void drop_lanes(const float* in, float* out, int64_t count, uint64_t index,
                                const kernels::DropKey& key) {
  for (int64_t i = 0; i < count * kernels::kLanes; i += kernels::kLanes) {
    kernels::store(
        out + i, kernels::load(in + i) * kernels::survivors(key, index + static_cast<uint64_t>(i)));
  }
}

Tensor drop(const Tensor& x, uint64_t key, double p) {
  Tensor in = x.contiguous(), out = at::empty_like(in);
  const float* from = in.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  const kernels::DropKey drop = kernels::drop_key(key, p);
  const int64_t size = in.numel(), vectors = size / kernels::kLanes;
  at::parallel_for(0, vectors, kDropGrain, [&](int64_t first, int64_t last) {
    const int64_t at = first * kernels::kLanes;
    drop_lanes(from + at, to + at, last - first, static_cast<uint64_t>(at), drop);
  });
  if (const int64_t done = vectors * kernels::kLanes; done < size) {
    float source[kernels::kLanes] = {}, target[kernels::kLanes];
    std::copy(from + done, from + size, source);
    drop_lanes(source, target, 1, static_cast<uint64_t>(done), drop);
    std::copy(target, target + (size - done), to + done);
  }
  return out;
}

struct Drop : torch::autograd::Function<Drop> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, int64_t key,
                        double p) {
    context->saved_data["key"] = key;
    context->saved_data["p"] = p;
    return drop(x, static_cast<uint64_t>(key), p);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto key = static_cast<uint64_t>(context->saved_data["key"].toInt());
    return {drop(grads[0], key, context->saved_data["p"].toDouble()), {}, {}};
  }
};

}  // namespace

uint64_t draw_dropout_key() {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

Tensor dropout(const Tensor& x, double p) {
  if (p == 0) return x;
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) return at::dropout(x, p, true);
  return Drop::apply(x, static_cast<int64_t>(draw_dropout_key()), p);
}

}  // namespace espalier
