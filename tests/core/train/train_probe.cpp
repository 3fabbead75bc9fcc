// espalier-train-probe: one training of a sequence classifier by the real Trainer, for the
// end-to-end tests, which run another loop over the same batches. Reads one JSON object on stdin:
//
//   "folder"    a Hugging Face folder with a sequence head
//   "ids"       rows of tokens, [[...], ...]; "types" likewise (left out: 0); "labels" [...]
//   "training"  options as a recipe's phase has them: steps, batch_size, learning_rate, schedule,
//               ...
//   "class_weights"  by label id, as Training has them; left out: all the same
//   "seed"      1 where it is left out; which rows make a batch depends on it alone
//   "dtype"     "fp32" or "fp64": of weights, gradients and optimiser state
//   "threads"   LibTorch's; 0: as many as there are cores
//   "out"       a safetensors file for the final weights, by our names; "" for none
//
// and prints {"batches": rows of every step, [[...], ...], "losses": [...], "learning_rates":
// [...]}, or {"error": "..."}. The trainer draws its batches as it always does: what this prints is
// what they were.
#include <ATen/Parallel.h>

#include <iostream>
#include <iterator>

#include "core/base/guard.h"
#include "core/model/load.h"
#include "core/spec/training_spec.h"
#include "core/train/trainer.h"

namespace espalier {
namespace {

constexpr char kPhase[] = "finetune";

Examples read_examples(const Json& asked) {
  Examples out;
  const auto labels = asked.at("labels").get<std::vector<float>>();
  TORCH_CHECK(labels.size() == asked.at("ids").size(), "as many labels as rows, please");
  for (size_t i = 0; i < labels.size(); ++i) {
    Input one;
    one.ids = asked["ids"][i].get<std::vector<int32_t>>();
    one.types.assign(one.ids.size(), 0);
    if (asked.contains("types")) one.types = asked["types"].at(i).get<std::vector<int32_t>>();
    out.add(one, std::span(&labels[i], 1));
  }
  return out;
}

Model read_model(const Json& asked) {
  Model model = value_or_throw(load_hugging_face(asked.at("folder").get<std::string>()));
  TORCH_CHECK(model.classifier.defined(), "the folder has no head");
  const std::string dtype = asked.at("dtype").get<std::string>();
  TORCH_CHECK(dtype == "fp32" || dtype == "fp64", "dtype ", dtype, "; known: fp32, fp64");
  const at::ScalarType type = dtype == "fp64" ? at::kDouble : at::kFloat;
  model.for_each([&](const std::string&, Tensor& tensor) { tensor = tensor.to(type); });
  return model;
}

Json train(const Json& asked) {
  if (const int threads = asked.value("threads", 0); threads > 0) at::set_num_threads(threads);
  Model model = read_model(asked);
  const Examples examples = read_examples(asked);
  auto task = value_or_throw(make_task("text-classification"));
  Training training;
  training.phase = kPhase;
  training.spec = value_or_throw(read_training(asked.at("training"), kPhase, {}));
  training.seed = asked.value("seed", uint64_t{1});
  training.task = task.get();
  training.train = &examples;
  training.class_weights = asked.value("class_weights", std::vector<double>());
  Trainer trainer(model, training);
  // The trainer's own sampler is a function of the same four values.
  Sampler sampler(examples, training.spec.batch_size, training.seed, training.phase);
  Json batches = Json::array(), losses = Json::array(), rates = Json::array();
  while (!trainer.done()) {
    batches.push_back(sampler.rows(trainer.step_index()));
    trainer.step();
    losses.push_back(trainer.metrics().at("loss"));
    rates.push_back(trainer.metrics().at("learning_rate"));
  }
  trainer.finish();
  if (const std::string out = asked.value("out", ""); !out.empty())
    throw_if_error(save_tensors(out, model.tensors()));
  return {{"batches", batches}, {"losses", losses}, {"learning_rates", rates}};
}

}  // namespace
}  // namespace espalier

int main() {
  using namespace espalier;
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  Json answer;
  const absl::Status done = guard("training", [&] { answer = train(Json::parse(text)); });
  if (!done.ok()) answer = {{"error", done.ToString()}};
  std::cout << answer.dump() << std::endl;
  return done.ok() ? 0 : 1;
}
