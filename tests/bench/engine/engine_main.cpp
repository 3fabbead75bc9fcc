// espalier-bench-engine MODEL [threads=2] [rounds=7] [backend=fused] [precision=fp32]: answers
// requests with a Hugging Face folder's model, its weights as an artifact of that precision would
// hold them, so that its time can be set beside that of other engines in turns.
//
// A request is a line of JSON on standard input, {"rows": [[ids]], "together": true} or, to answer
// row after row, "together": false; or {"texts": [...], "max_length": 128, "together": ...}, of
// which the ids are made behind the clock's start. The answer is a line {"seconds": [...], "sum":
// ...}: `rounds` times for all rows, and the sum of all logits, so that who answers can be seen to
// do the work; with "logits": true in the request all of them, row by row; and "info", in which the
// layers' products were computed on this machine.
#include <ATen/Parallel.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "core/base/status_macros.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"
#include "core/text/tokenizer.h"
#include "tests/bench/engine/bench_model.h"

namespace espalier::bench {
namespace {

// Each makes a batch, behind the clock's start: of texts it encodes them.
using Batches = std::vector<std::function<Batch()>>;

void add(const Json& group, const Json& asked, const Tokenizer& tokenizer, Batches& batches) {
  if (asked.contains("rows")) {
    batches.emplace_back([batch = batch_of(group)] { return batch; });
    return;
  }
  batches.emplace_back([&tokenizer, texts = group.get<std::vector<std::string>>(),
                        max_length = asked.at("max_length").get<int>()] {
    std::vector<Input> inputs;
    for (const std::string& text : texts) {
      Encoding encoding = tokenizer.encode(text, "", false, max_length);
      Input& input = inputs.emplace_back();
      input.ids = std::move(encoding.ids);
      input.types = std::move(encoding.types);
    }
    return pack(std::vector<InputView>(inputs.begin(), inputs.end()));
  });
}

Batches batches_of(const Json& asked, const Tokenizer& tokenizer) {
  const Json& all = asked.contains("rows") ? asked["rows"] : asked.at("texts");
  Batches batches;
  if (asked.at("together").get<bool>()) {
    add(all, asked, tokenizer, batches);
  } else {
    for (const Json& one : all) add(Json::array({one}), asked, tokenizer, batches);
  }
  return batches;
}

Json lists(const Tensor& logits) {
  Json rows = Json::array();
  const Tensor all = logits.to(at::kDouble).contiguous();
  for (int64_t i = 0; i < all.size(0); ++i) {
    const double* row = all[i].const_data_ptr<double>();
    rows.push_back(std::vector<double>(row, row + all.size(1)));
  }
  return rows;
}

Json answer(Backend& backend, const Json& info, const Batches& batches, int rounds) {
  c10::InferenceMode inference;
  Json seconds = Json::array();
  std::vector<Tensor> logits;
  double sum = 0;
  for (int round = -1; round < rounds; ++round) {  // the first one warms up
    logits.clear();
    const auto start = std::chrono::steady_clock::now();
    sum = 0;
    for (const auto& batch : batches) {
      logits.push_back(walk(backend, batch()).logits);
      sum += logits.back().sum().item<double>();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (round >= 0) seconds.push_back(took.count());
  }
  return {{"seconds", seconds}, {"sum", sum}, {"info", info}, {"logits", lists(at::cat(logits))}};
}

absl::Status run(const std::string& folder, std::span<char* const> words) {
  ESPALIER_ASSIGN_OR_RETURN(
      const Settings set,
      read_settings(
          words, {{"threads", "2"}, {"rounds", "7"}, {"backend", "fused"}, {"precision", "fp32"}}));
  at::set_num_threads(std::stoi(set.at("threads")));
  ESPALIER_ASSIGN_OR_RETURN(const Precision precision, read_precision(set.at("precision")));
  ESPALIER_ASSIGN_OR_RETURN(const Model model, load_served(folder, precision));
  const Precision products = runtime::products_of(precision, model.device());
  const runtime::Plan plain = runtime::make_plan(model, products);
  const runtime::FusedPlan plan = runtime::make_fused_plan(model, products);
  runtime::PackedBackend packed(plain);
  runtime::FusedBackend fused(plan);
  Backend& backend = set.at("backend") == "fused" ? static_cast<Backend&>(fused) : packed;
  ESPALIER_ASSIGN_OR_RETURN(const auto tokenizer, load_tokenizer(folder));
  const Json info = {{"precision", set.at("precision")}, {"products", precision_name(products)}};
  const int rounds = std::stoi(set.at("rounds"));
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json asked = Json::parse(line);
    Json out = answer(backend, info, batches_of(asked, *tokenizer), rounds);
    if (!asked.value("logits", false)) out.erase("logits");
    std::cout << out << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace espalier::bench

int main(int argc, char** argv) {
  using namespace espalier::bench;
  return main_of("espalier-bench-engine", std::span(argv, argc), run);
}
