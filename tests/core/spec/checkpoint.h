// A checkpoint on disk, with the Hugging Face names of its config's tensors, that a test spoils a
// little before it is looked at.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/spec/families.h"
#include "core/spec/model_folder.h"
#include "core/spec/safetensors.h"
#include "tests/core/spec/scratch.h"

namespace espalier::testing {

inline constexpr char kTinyBert[] =
    R"({"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
  "intermediate_size": 6, "vocab_size": 5, "max_position_embeddings": 4, "num_labels": 3})";

class Checkpoint {
 public:
  explicit Checkpoint(const std::string& json = kTinyBert, const std::string& prefix = "") {
    const ModelConfig config = *read_model_config(Json::parse(json));
    for (const auto& [ours, shape] : expected_tensors(config)) {
      const TheirName theirs = their_names(config, ours).at(0);
      tensors_[theirs.prefixed ? prefix + theirs.name : theirs.name] = {
          "F32", their_shape(config, ours, shape)};
    }
    files_ = {{"config.json", json}, {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n"}};
  }
  std::map<std::string, std::string>& files() { return files_; }
  struct Tensor {
    std::string dtype;
    std::vector<int64_t> shape;
  };
  std::map<std::string, Tensor>& tensors() { return tensors_; }
  void rename(const std::string& from, const std::string& to) {
    tensors_[to] = tensors_.at(from);
    tensors_.erase(from);
  }
  void write(const Scratch& scratch) const {
    for (const auto& [name, content] : files_) scratch.write(name, content);
    if (!tensors_.empty()) {
      static const std::vector<double> kZeros(4000);
      std::vector<TensorView> views;
      for (const auto& [name, tensor] : tensors_)
        views.push_back({name, tensor.dtype, tensor.shape, kZeros.data()});
      EXPECT_TRUE(write_safetensors(scratch.path() + "/model.safetensors", views).ok());
    }
  }
  absl::StatusOr<ModelFolder> inspect() const {
    Scratch scratch;
    write(scratch);
    return inspect_model_folder(scratch.path());
  }

 private:
  std::map<std::string, std::string> files_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace espalier::testing
