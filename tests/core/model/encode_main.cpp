// espalier-encode [FOLDER]: what a model computes, written down for the end-to-end tests, which
// compare it with other people's. One JSON request a line on stdin:
//
//   "folder"  a Hugging Face folder; FOLDER where it is left out
//   "ids"     rows of tokens, [[...], ...], and "types" likewise (left out: 0); or
//   "pixels"  a safetensors file whose tensor "pixels" is [B,C,S,S] float32, already normalised
//   "path"    "padded"  training backend, attention over a padded grid with its maps kept
//             "packed"  training backend, packed tokens
//             "engine"  serving backend, packed tokens
//             "single"  every row alone: serving backend, or the training one where maps are wanted
//   "want"    of "logits", "hidden", "attention" (padded and single only), "next_sentence"
//   "fresh"   C: the model gets a fresh head of C classes first, whose weights are written too
//   "out"     the safetensors file to write
//
// Tensors written: "logits" as the head gives them ([B,C], or [N,C] for every token, packed);
// "hidden.0" (what enters the first layer) to "hidden.L" (the last layer's output, before the final
// norm of a pre-norm model), [N,D] packed; "attention.0" to "attention.L-1" [B,h,T,T], zero where a
// query or key is padding; "next_sentence" [B,2]; "fresh.pooler.weight" and so on. The answer to
// each request is a line: {}, or {"error": "..."}.
#include <algorithm>
#include <iostream>

#include "core/base/guard.h"
#include "core/model/load.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"

namespace espalier {
namespace {

using Tensors = std::map<std::string, Tensor>;

struct Loaded {
  std::string name;  // of folder and fresh head
  Model model;
  runtime::FusedPlan plan;  // of what serves
  Tensors fresh;
};

struct Request {
  std::string path;
  std::vector<std::string> want;
  bool wants(const char* what) const {
    return std::find(want.begin(), want.end(), what) != want.end();
  }
  bool alone() const { return path == "single"; }
  bool maps() const { return path == "padded" || (alone() && wants("attention")); }
};

Request read_request(const Json& asked) {
  Request out{asked.at("path").get<std::string>(),
              asked.at("want").get<std::vector<std::string>>()};
  const bool known = out.maps() || out.alone() || out.path == "packed" || out.path == "engine";
  TORCH_CHECK(known, "unknown path ", out.path, "; known: padded, packed, engine, single");
  TORCH_CHECK(!out.wants("attention") || out.maps(), "path ", out.path, " keeps no maps");
  return out;
}

Tensors head_weights(const Model& model) {
  Tensors out;
  for (const auto& [name, tensor] : model.tensors()) {
    const bool of_head = name.starts_with("pooler.") || name.starts_with("classifier.");
    if (of_head) out["fresh." + name] = tensor;
  }
  return out;
}

// Keeps the last model: requests about one come together.
const Loaded& load(const Json& asked, const std::string& usual) {
  static Loaded last;
  const std::string folder = asked.value("folder", usual);
  const int classes = asked.value("fresh", 0);
  const std::string name = folder + " " + std::to_string(classes);
  if (last.name == name) return last;
  last = {};
  Model model = value_or_throw(load_hugging_face(folder));
  if (classes > 0) {
    model.reset_classifier(classes, /*seed=*/1);
    last.fresh = head_weights(model);
  }
  last.plan = runtime::make_fused_plan(model);
  last.model = std::move(model);
  last.name = name;
  return last;
}

Tensor packed_rows(const Json& rows) {
  std::vector<int64_t> out;
  for (const Json& row : rows) {
    for (const Json& value : row) out.push_back(value.get<int64_t>());
  }
  return torch::tensor(out, torch::kInt64);
}

Batch text_batch(const Json& asked) {
  Batch batch;
  batch.ids = packed_rows(asked.at("ids"));
  batch.types = asked.contains("types") ? packed_rows(asked["types"]) : at::zeros_like(batch.ids);
  for (const Json& row : asked["ids"]) batch.lengths.push_back(static_cast<int64_t>(row.size()));
  TORCH_CHECK(batch.types.sizes() == batch.ids.sizes(), "types and ids differ in length");
  return batch;
}

Batch image_batch(const Json& asked, const ModelConfig& config) {
  Tensors file = value_or_throw(load_tensors(asked.at("pixels").get<std::string>()));
  Batch batch;
  batch.pixels = file.at("pixels").flatten(1);
  batch.lengths.assign(static_cast<size_t>(batch.pixels.size(0)), config.positions);
  return batch;
}

Batch row_of(const Batch& batch, size_t row) {
  Batch out;
  out.lengths = {batch.lengths[row]};
  if (batch.pixels.defined()) {
    out.pixels = batch.pixels.narrow(0, static_cast<int64_t>(row), 1);
    return out;
  }
  const int64_t first = batch.offsets()[row];
  out.ids = batch.ids.narrow(0, first, batch.lengths[row]);
  out.types = batch.types.narrow(0, first, batch.lengths[row]);
  return out;
}

Trace run(const Loaded& loaded, const Batch& batch, const Request& request) {
  WalkOptions options;
  options.record.hidden = true;
  if (request.maps()) options.record.attention = RecordAttention::kProbabilities;
  TrainBackend training(loaded.model);
  runtime::FusedBackend serving(loaded.plan);
  const bool serves = request.path == "engine" || (request.alone() && !request.maps());
  return walk(serves ? static_cast<Backend&>(serving) : training, batch, {}, options);
}

Tensors answers(const Trace& trace, const Request& request) {
  Tensors out;
  auto number = [&](const char* what, const std::vector<Tensor>& tensors, size_t first) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].defined()) out[std::string(what) + std::to_string(first + i)] = tensors[i];
    }
  };
  if (request.wants("logits")) {
    TORCH_CHECK(trace.logits.defined(), "this model has no head");
    out["logits"] = trace.logits;
  }
  if (request.wants("hidden")) {
    out["hidden.0"] = trace.embedding;
    number("hidden.", trace.hidden, 1);
  }
  if (request.wants("attention")) number("attention.", trace.attention, 0);
  if (request.wants("next_sentence")) {
    TORCH_CHECK(trace.sentence_logits.defined(), "this model follows no sentences");
    out["next_sentence"] = trace.sentence_logits;
  }
  return out;
}

// Single rows' answers as a batch's.
Tensors joined(const std::vector<Tensors>& rows, int64_t longest) {
  Tensors out;
  for (const auto& [name, first] : rows.front()) {
    std::vector<Tensor> parts;
    for (const Tensors& row : rows) {
      Tensor part = row.at(name);
      if (part.dim() == 4) {  // an attention map
        const int64_t missing = longest - part.size(-1);
        part = at::constant_pad_nd(part, {0, missing, 0, missing});
      }
      parts.push_back(part);
    }
    out[name] = at::cat(parts);
  }
  return out;
}

absl::Status encode(const Json& asked, const std::string& usual_folder) {
  const Request request = read_request(asked);
  const Loaded& loaded = load(asked, usual_folder);
  const ModelConfig& config = loaded.model.config;
  const Batch batch = config.reads_images() ? image_batch(asked, config) : text_batch(asked);
  std::vector<Tensors> parts;
  if (request.alone()) {
    for (size_t row = 0; row < batch.lengths.size(); ++row) {
      const Batch one = row_of(batch, row);
      parts.push_back(answers(run(loaded, one, request), request));
    }
  } else {
    parts.push_back(answers(run(loaded, batch, request), request));
  }
  Tensors out = joined(parts, batch.longest());
  out.insert(loaded.fresh.begin(), loaded.fresh.end());
  return save_tensors(asked.at("out").get<std::string>(), out);
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  if (argc > 2) {
    std::cerr << "usage: espalier-encode [FOLDER]\n";
    return 2;
  }
  const std::string folder = argc == 2 ? argv[1] : "";
  c10::InferenceMode inference;
  for (std::string line; std::getline(std::cin, line);) {
    const absl::Status done = guard("encoding", [&] { return encode(Json::parse(line), folder); });
    Json answer = Json::object();
    if (!done.ok()) answer["error"] = done.ToString();
    std::cout << answer.dump() << std::endl;
  }
}
