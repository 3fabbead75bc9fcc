#include "core/export/onnx_graph.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/export/onnx_model.pb.h"

namespace espalier {
namespace {

constexpr int64_t kIrVersion = 8, kOpset = 17;
constexpr uint64_t kPage = 4096;  // readers may map a weight that begins on a page

int32_t data_type(OnnxGraph::Type type) {
  return type == OnnxGraph::Type::kFloat ? onnx::TensorProto::FLOAT : onnx::TensorProto::INT64;
}

void describe(const std::string& name, int32_t type, const OnnxGraph::Shape& shape,
              onnx::ValueInfoProto& out) {
  out.set_name(name);
  auto* tensor = out.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  for (const OnnxGraph::Dimension& size : shape) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (const auto* fixed = std::get_if<int64_t>(&size)) {
      dim->set_dim_value(*fixed);
    } else {
      dim->set_dim_param(std::get<std::string>(size));
    }
  }
}

void set(const OnnxGraph::Attribute& attribute, onnx::AttributeProto& out) {
  const auto& [name, value] = attribute;
  out.set_name(name);
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    out.set_type(onnx::AttributeProto::INT);
    out.set_i(*integer);
  } else if (const auto* number = std::get_if<float>(&value)) {
    out.set_type(onnx::AttributeProto::FLOAT);
    out.set_f(*number);
  } else {
    out.set_type(onnx::AttributeProto::INTS);
    for (const int64_t i : std::get<std::vector<int64_t>>(value)) out.add_ints(i);
  }
}

void set(const std::string& key, const std::string& value, onnx::StringStringEntryProto& out) {
  out.set_key(key);
  out.set_value(value);
}

template <class Infos>
std::vector<std::string> names_of(const Infos& infos) {
  std::vector<std::string> out;
  for (const auto& info : infos) out.push_back(info.name());
  return out;
}

}  // namespace

OnnxGraph::OnnxGraph(std::string data_file)
    : model_(std::make_unique<onnx::ModelProto>()), data_path_(std::move(data_file)) {
  model_->set_ir_version(kIrVersion);
  model_->set_producer_name("espalier");
  auto* opset = model_->add_opset_import();
  opset->set_domain("");
  opset->set_version(kOpset);
  model_->mutable_graph()->set_name("espalier");
  if (!data_path_.empty()) data_.open(data_path_, std::ios::binary | std::ios::trunc);
}

OnnxGraph::~OnnxGraph() = default;

OnnxGraph::Value OnnxGraph::input(const std::string& name, Type type, const Shape& shape) {
  describe(name, data_type(type), shape, *model_->mutable_graph()->add_input());
  names_.insert(name);
  return name;
}

void OnnxGraph::output(const Value& value, const Shape& shape) {
  describe(value, data_type(Type::kFloat), shape, *model_->mutable_graph()->add_output());
}

OnnxGraph::Value OnnxGraph::add(const std::string& op, const std::string& name,
                                const std::vector<Value>& inputs,
                                const std::vector<Attribute>& attributes) {
  onnx::NodeProto& node = *model_->mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(name);
  node.add_output(name);
  for (const Value& value : inputs) node.add_input(value);
  for (const Attribute& attribute : attributes) set(attribute, *node.add_attribute());
  names_.insert(name);
  return name;
}

void OnnxGraph::add_weight(const std::string& name, const Values& values) {
  onnx::TensorProto& out = *model_->mutable_graph()->add_initializer();
  out.set_name(name);
  out.set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t size : values.shape) out.add_dims(size);
  names_.insert(name);
  const auto* bytes = reinterpret_cast<const char*>(values.data.data());
  const size_t length = values.data.size() * sizeof(float);
  if (data_path_.empty() || values.shape.empty()) return out.set_raw_data(bytes, length);
  const std::string padding((kPage - data_end_ % kPage) % kPage, '\0');
  data_ << padding;
  data_end_ += padding.size();
  data_.write(bytes, static_cast<std::streamsize>(length));
  out.set_data_location(onnx::TensorProto::EXTERNAL);
  const std::string location = data_path_.substr(data_path_.rfind('/') + 1);
  set("location", location, *out.add_external_data());
  set("offset", absl::StrCat(data_end_), *out.add_external_data());
  set("length", absl::StrCat(length), *out.add_external_data());
  data_end_ += length;
}

OnnxGraph::Value OnnxGraph::add_integers(const std::string& name, const std::vector<int64_t>& shape,
                                         const std::vector<int64_t>& values) {
  if (!names_.insert(name).second) return name;
  onnx::TensorProto& out = *model_->mutable_graph()->add_initializer();
  out.set_name(name);
  out.set_data_type(onnx::TensorProto::INT64);
  for (const int64_t size : shape) out.add_dims(size);
  out.set_raw_data(values.data(), values.size() * sizeof(int64_t));
  return name;
}

OnnxGraph::Value OnnxGraph::number(float value) {
  return weight(absl::StrCat("number ", value), [&] { return Values{{}, {value}}; });
}

OnnxGraph::Value OnnxGraph::index(int64_t value) {
  return add_integers(absl::StrCat("index ", value), {}, {value});
}

OnnxGraph::Value OnnxGraph::list(const std::vector<int64_t>& values) {
  return add_integers(absl::StrCat("list [", absl::StrJoin(values, ", "), "]"),
                      {static_cast<int64_t>(values.size())}, values);
}

void OnnxGraph::note(const std::string& key, const std::string& value) {
  set(key, value, *model_->add_metadata_props());
}

std::vector<std::string> OnnxGraph::inputs() const { return names_of(model_->graph().input()); }
std::vector<std::string> OnnxGraph::outputs() const { return names_of(model_->graph().output()); }

absl::Status OnnxGraph::write(const std::string& path) {
  if (!data_path_.empty()) {
    data_.close();
    if (!data_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot write ", data_path_, "; is the disk full?"));
    }
    // It has its name already: this makes it durable.
    ESPALIER_RETURN_IF_ERROR(publish_file(data_path_, data_path_));
  }
  std::string bytes;
  if (!model_->SerializeToString(&bytes)) {
    return absl::InternalError(
        absl::StrCat(path, ": the model does not fit into one file of at most 2 GB"));
  }
  return write_file(path, bytes);
}

}  // namespace espalier
