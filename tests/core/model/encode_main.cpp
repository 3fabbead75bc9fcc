// espalier-encode FOLDER: reads lines {"ids": [[...], ...], "padded": bool} on stdin and prints
// {"hidden": [[[...]]]}: the last layer's states of a Hugging Face folder, by the training backend
// with attention over a padded grid or by the packed backend of serving. The end-to-end tests
// compare them with other people's.
#include <iostream>

#include "core/model/load.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "core/runtime/packed_backend.h"

int main(int argc, char** argv) {
  using namespace espalier;
  if (argc != 2) {
    std::cerr << "usage: espalier-encode FOLDER\n";
    return 2;
  }
  auto model = load_hugging_face(argv[1]);
  if (!model.ok()) {
    std::cerr << model.status() << "\n";
    return 1;
  }
  c10::InferenceMode inference;
  runtime::Plan plan = runtime::make_plan(*model);
  WalkOptions options;
  options.record.hidden = true;
  for (std::string line; std::getline(std::cin, line);) {
    Json asked = Json::parse(line);
    Batch batch;
    std::vector<int64_t> ids;
    for (const Json& row : asked.at("ids")) {
      for (const Json& id : row) ids.push_back(id.get<int64_t>());
      batch.lengths.push_back(static_cast<int64_t>(row.size()));
    }
    batch.ids = torch::tensor(ids, torch::kInt64);
    batch.types = at::zeros_like(batch.ids);
    TrainBackend padded(plan.model);
    options.record.attention =
        asked.at("padded").get<bool>() ? RecordAttention::kProbabilities : RecordAttention::kNone;
    runtime::PackedBackend packed(plan);
    Backend& backend = asked.at("padded").get<bool>() ? static_cast<Backend&>(padded) : packed;
    Tensor hidden = walk(backend, batch, {}, options).hidden.back().contiguous();
    Json out = Json::array();
    int64_t at = 0;
    for (int64_t length : batch.lengths) {
      Json row = Json::array();
      for (int64_t t = 0; t < length; ++t, ++at) {
        const float* x = hidden.data_ptr<float>() + at * hidden.size(1);
        row.push_back(std::vector<float>(x, x + hidden.size(1)));
      }
      out.push_back(std::move(row));
    }
    std::cout << Json{{"hidden", std::move(out)}}.dump() << std::endl;
  }
}
