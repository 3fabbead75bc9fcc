#include "core/artifact/as_stored.h"

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/spec/int8_rows.h"
#include "core/spec/stored_weights.h"

namespace espalier {
namespace {

void drop_masks(Model& model) {
  model.for_each_linear([](const std::string&, Linear& linear) {
    if (!linear.mask.defined()) return;
    linear.weight = linear.effective_weight();
    linear.mask = Tensor();
  });
  std::erase_if(model.config.linears,
                [](const auto& entry) { return entry.second.kind == LinearShape::Kind::kMasked; });
}

bool is_narrow(const std::string& name, const Tensor& tensor) {
  return is_narrowed(name, tensor.sizes().vec());
}

struct Int8Tensors {
  Tensor numbers, scales;  // int8 [N,K], [N]
};
Int8Tensors quantised(const Tensor& weight) {
  const Tensor w = weight.contiguous();
  const Int8Rows rows = quantise_rows(w.const_data_ptr<float>(), w.size(0), w.size(1));
  Int8Tensors out = {at::empty(w.sizes(), at::kChar), at::empty({w.size(0)}, at::kFloat)};
  std::copy(rows.numbers.begin(), rows.numbers.end(), out.numbers.mutable_data_ptr<int8_t>());
  std::copy(rows.scales.begin(), rows.scales.end(), out.scales.mutable_data_ptr<float>());
  return out;
}

void throw_if_not_finite(const Tensor& weight, const std::string& name, const std::string& where) {
  const int64_t wrong = weight.numel() - weight.isfinite().sum().item<int64_t>();
  if (wrong == 0) return;
  throw StatusError(absl::FailedPreconditionError(absl::StrCat(
      "tensor ", name, ": ", wrong, " of its ", weight.numel(), " values are NaN or infinite",
      where, "; the training that made them diverged: a lower learning rate would help")));
}

Tensor rounded(const Tensor& weight, Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return weight.to(at::kBFloat16).to(at::kFloat);
    case Precision::kInt8: {
      const Int8Tensors in = quantised(weight);
      return in.numbers.to(at::kFloat) * in.scales.unsqueeze(1);
    }
    case Precision::kFp32:
      break;
  }
  return weight;
}

}  // namespace

Model as_stored(const Model& model, Precision precision) {
  torch::NoGradGuard no_grad;
  Model out = model.to(at::kCPU);
  drop_masks(out);
  out.for_each([&](const std::string& name, Tensor& tensor) {
    if (!is_narrow(name, tensor)) return;
    throw_if_not_finite(tensor, name, "");
    tensor = rounded(tensor, precision);
    // The largest of fp32's numbers are beyond what the others reach.
    throw_if_not_finite(tensor, name, absl::StrCat(" in ", precision_name(precision)));
  });
  return out;
}

std::map<std::string, Tensor> stored_tensors(const Model& stored, Precision precision) {
  std::map<std::string, Tensor> out = stored.tensors();
  if (precision == Precision::kFp32) return out;
  stored.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!is_narrow(name, tensor)) return;
    if (precision == Precision::kBf16) {
      out[name] = tensor.to(at::kBFloat16);
      return;
    }
    const Int8Tensors in = quantised(tensor);
    out[name] = in.numbers;
    out[scale_name(name)] = in.scales;
  });
  return out;
}

}  // namespace espalier
