#include "core/model/dropout.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <mutex>

namespace espalier {
namespace {

using torch::Tensor;

constexpr int kBlock = 256;              // known to the compiler, so that it vectorises
constexpr int64_t kGrain = 64;           // blocks a thread is worth waking for
constexpr double kRange = 4294967296.0;  // 2^32

// Two rounds of multiply and xor-shift with the constants of Wellons' "lowbias32", whose bias is
// under 0.2 in 1000; the second half of the key enters between them.
inline uint32_t mix(uint32_t x, uint32_t late) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= (x >> 15) ^ late;
  x *= 0x846ca68bU;
  return x ^ (x >> 16);
}

__attribute__((target_clones("avx512f", "avx2", "default"))) void drop_block(
    const float* __restrict in, float* __restrict out, uint32_t first, uint32_t late,
    uint32_t threshold, float scale) {
  for (int i = 0; i < kBlock; ++i) {
    out[i] = mix(first + static_cast<uint32_t>(i), late) >= threshold ? in[i] * scale : 0.0F;
  }
}

Tensor drop(const Tensor& x, uint64_t key, double p) {
  Tensor in = x.contiguous(), out = at::empty_like(in);
  const float* from = in.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  const auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  const auto threshold = static_cast<uint32_t>(p * kRange);
  const auto scale = static_cast<float>(1 / (1 - p));
  const int64_t size = in.numel(), blocks = size / kBlock;
  // The index's own high half joins the key, so more than 2^32 elements repeat nothing.
  auto one = [&](int64_t begin, const float* source, float* target) {
    drop_block(source, target, low + static_cast<uint32_t>(begin),
               high ^ static_cast<uint32_t>(static_cast<uint64_t>(begin) >> 32), threshold, scale);
  };
  at::parallel_for(0, blocks, kGrain, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) one(b * kBlock, from + b * kBlock, to + b * kBlock);
  });
  if (int64_t done = blocks * kBlock; done < size) {
    float source[kBlock] = {}, target[kBlock];
    std::copy(from + done, from + size, source);
    one(done, source, target);
    std::copy(target, target + (size - done), to + done);
  }
  return out;
}

uint64_t draw_key() {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
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

Tensor dropout(const Tensor& x, double p) {
  if (p == 0) return x;
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) return at::dropout(x, p, true);
  return Drop::apply(x, static_cast<int64_t>(draw_key()), p);
}

}  // namespace espalier
