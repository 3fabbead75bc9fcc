// espalier-bench-engine MODEL [threads=2] [rounds=7] [backend=fused]: answers requests with a
// Hugging Face folder's model, so that its time can be set beside that of other engines in turns.
//
// A request is a line of JSON on standard input, {"rows": [[ids]], "together": true} or, to answer
// row after row, "together": false. The answer is a line {"seconds": [...], "sum": ...}: `rounds`
// times for all rows, and the sum of all logits, so that who answers can be seen to do the work.
#include <ATen/Parallel.h>

#include <chrono>
#include <iostream>
#include <map>

#include "core/model/load.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"

namespace espalier {
namespace {

Batch batch_of(const Json& rows) {
  std::vector<Input> inputs;
  for (const Json& row : rows) {
    Input& input = inputs.emplace_back();
    input.ids = row.get<std::vector<int32_t>>();
    input.types.assign(input.ids.size(), 0);
  }
  return pack(std::vector<InputView>(inputs.begin(), inputs.end()));
}

Json answer(Backend& backend, const Json& asked, int rounds) {
  std::vector<Batch> batches;
  if (asked.at("together").get<bool>()) {
    batches.push_back(batch_of(asked["rows"]));
  } else {
    for (const Json& row : asked["rows"]) batches.push_back(batch_of(Json::array({row})));
  }
  c10::InferenceMode inference;
  Json seconds = Json::array();
  double sum = 0;
  for (int round = -1; round < rounds; ++round) {  // the first one warms up
    const auto start = std::chrono::steady_clock::now();
    sum = 0;
    for (const Batch& batch : batches) sum += walk(backend, batch).logits.sum().item<double>();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (round >= 0) seconds.push_back(took.count());
  }
  return {{"seconds", seconds}, {"sum", sum}};
}

int run(int argc, char** argv) {
  std::map<std::string, std::string> set = {
      {"threads", "2"}, {"rounds", "7"}, {"backend", "fused"}};
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    if (equals == std::string::npos || !set.contains(word.substr(0, equals))) {
      std::cerr << "unknown setting " << word << "\n";
      return 2;
    }
    set[word.substr(0, equals)] = word.substr(equals + 1);
  }
  at::set_num_threads(std::stoi(set["threads"]));
  auto loaded = load_hugging_face(argv[1]);
  if (!loaded.ok()) {
    std::cerr << loaded.status() << "\n";
    return 1;
  }
  Model model = *std::move(loaded);
  if (!model.classifier.defined()) model.reset_classifier(2, /*seed=*/1);
  const runtime::Plan plain = runtime::make_plan(model);
  const runtime::FusedPlan plan = runtime::make_fused_plan(model);
  runtime::PackedBackend packed(plain);
  runtime::FusedBackend fused(plan);
  Backend& backend = set["backend"] == "fused" ? static_cast<Backend&>(fused) : packed;
  std::string line;
  while (std::getline(std::cin, line))
    std::cout << answer(backend, Json::parse(line), std::stoi(set["rounds"])) << std::endl;
  return 0;
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: espalier-bench-engine MODEL [key=value ...]\n";
    return 2;
  }
  return espalier::run(argc, argv);
}
