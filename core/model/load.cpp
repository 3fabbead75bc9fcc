#include "core/model/load.h"

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/spec/model_folder.h"
#include "core/spec/safetensors.h"
#include "core/spec/weight_files.h"

namespace espalier {
namespace {

struct Dtype {
  const char* name;
  at::ScalarType type;
};
constexpr Dtype kDtypes[] = {{"F64", at::kDouble},    {"F32", at::kFloat}, {"F16", at::kHalf},
                             {"BF16", at::kBFloat16}, {"I64", at::kLong},  {"I32", at::kInt},
                             {"I16", at::kShort},     {"I8", at::kChar},   {"U8", at::kByte},
                             {"BOOL", at::kBool}};

absl::StatusOr<Tensor> tensor_of(const std::byte* bytes, const std::string& name,
                                 const TensorInfo& info) {
  for (const Dtype& dtype : kDtypes) {
    if (info.dtype != dtype.name) continue;
    // from_blob wants a mutable pointer; clone() reads only. The map may be unaligned, clone()
    // copes.
    void* data = const_cast<std::byte*>(bytes);
    return at::from_blob(data, info.shape, at::TensorOptions().dtype(dtype.type)).clone();
  }
  return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " has dtype ", info.dtype,
                                                 "; F32, F16 and BF16 weights can be loaded"));
}

}  // namespace

absl::StatusOr<std::map<std::string, Tensor>> load_tensors(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(auto file, SafetensorsFile::open(path));
  std::map<std::string, Tensor> out;
  for (const auto& [name, info] : file->tensors()) {
    ESPALIER_ASSIGN_OR_RETURN(out[name], tensor_of(file->data(info), name, info));
  }
  return out;
}

absl::Status save_tensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                          const std::map<std::string, std::string>& metadata) {
  std::vector<TensorView> views;
  std::vector<Tensor> hold;
  for (const auto& [name, tensor] : tensors) {
    Tensor host = tensor.detach().to(at::kCPU).contiguous();
    hold.push_back(host);
    const char* dtype = nullptr;
    for (const Dtype& d : kDtypes) dtype = d.type == host.scalar_type() ? d.name : dtype;
    if (dtype == nullptr)
      return absl::InternalError(absl::StrCat("cannot store the dtype of ", name));
    views.push_back({name, dtype, host.sizes().vec(), host.data_ptr()});
  }
  return write_safetensors(path, std::move(views), metadata);
}

std::string weights_digest(const std::map<std::string, Tensor>& tensors) {
  Sha256 hash;
  for (const auto& [name, tensor] : tensors) {
    Tensor host = tensor.detach().to(at::kCPU).contiguous();
    hash.update(absl::StrCat(name, " ", static_cast<int>(host.scalar_type())));
    for (int64_t n : host.sizes()) hash.update(absl::StrCat(" ", n));
    hash.update(host.data_ptr(), host.nbytes());
  }
  return hash.hex();
}

absl::StatusOr<Model> load_hugging_face(const std::string& folder) {
  ESPALIER_ASSIGN_OR_RETURN(ModelFolder facts, inspect_model_folder(folder));
  ESPALIER_ASSIGN_OR_RETURN(const WeightFiles weights, WeightFiles::open(folder));
  const auto& stored = weights.tensors();
  std::map<std::string, Tensor> tensors;
  for (const auto& [ours, shape] : expected_tensors(facts.config)) {
    std::string name = stored_name(stored, facts, ours);
    if (name.empty()) continue;  // assemble_model names what is missing
    ESPALIER_ASSIGN_OR_RETURN(Tensor tensor, tensor_of(weights.data(name), name, stored.at(name)));
    // Some families store single rows and patches with more axes than we do.
    tensors[ours] = tensor.to(at::kFloat).reshape(shape);
  }
  return assemble_model(facts.config, std::move(tensors));
}

}  // namespace espalier
