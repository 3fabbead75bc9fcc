// An ONNX model under construction: values by name, nodes in order, weights inside the file or in
// one beside it.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "core/export/stored_artifact.h"

namespace espalier {

namespace onnx {
class ModelProto;
}

// Opset 17 (ONNX 1.12): the first with LayerNormalization.
class OnnxGraph {
 public:
  using Value = std::string;                             // a tensor's name
  using Dimension = std::variant<int64_t, std::string>;  // a size, or the name of one that varies
  using Shape = std::vector<Dimension>;
  using Attribute = std::pair<std::string, std::variant<int64_t, float, std::vector<int64_t>>>;
  enum class Type { kFloat, kInt64 };

  // Weights go to `data_file`, a new file; "": into the model, which then has to stay below the
  // 2 GB that protobuf can hold.
  explicit OnnxGraph(std::string data_file = "");
  ~OnnxGraph();

  Value input(const std::string& name, Type type, const Shape& shape);
  // Makes the value of this name an output of the model.
  void output(const Value& value, const Shape& shape);
  // A node with one output, both called `name`, which must be new.
  Value add(const std::string& op, const std::string& name, const std::vector<Value>& inputs,
            const std::vector<Attribute>& attributes = {});
  // A float32 tensor; `values` is not asked for when there is one of this name already.
  template <class Make>
  Value weight(const std::string& name, Make&& values) {
    if (!has(name)) add_weight(name, values());
    return name;
  }
  // Constants; equal ones are stored once. A scalar, and a list.
  Value number(float value);
  Value index(int64_t value);
  Value list(const std::vector<int64_t>& values);
  void note(const std::string& key, const std::string& value);  // the model's metadata

  // The inputs' and outputs' names.
  std::vector<std::string> inputs() const, outputs() const;
  // Writes the model, whole or not at all, and makes the weights' file durable.
  absl::Status write(const std::string& path);

 private:
  bool has(const std::string& name) const { return names_.count(name) > 0; }
  void add_weight(const std::string& name, const Values& values);
  Value add_integers(const std::string& name, const std::vector<int64_t>& shape,
                     const std::vector<int64_t>& values);

  std::unique_ptr<onnx::ModelProto> model_;
  std::set<std::string> names_;  // of all values
  std::string data_path_;
  std::ofstream data_;
  uint64_t data_end_ = 0;
};

}  // namespace espalier
