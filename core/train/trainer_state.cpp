// What a trainer puts into a checkpoint, and takes from it.
#include "absl/strings/str_cat.h"
#include "core/train/trainer.h"

namespace espalier {

void Trainer::save(State& state) const {
  state.json["step"] = step_;
  state.json["metrics"] = metrics_;
  state.json["micro_batch_size"] = micro_batch_size_;
  state.json["loss_watch"] = loss_watch_.save();
  best_.save(state);
  optimiser_->save(state);
  average_->save(state);
  State methods = save_methods();
  state.tensors.merge(methods.tensors);
  state.json["methods"] = methods.json["methods"];
}

State Trainer::save_methods() const {
  State state;
  state.json["methods"] = Json::array();
  for (size_t i = 0; i < methods_.size(); ++i) {
    State own;
    methods_[i]->save(own);
    std::string prefix = absl::StrCat("method.", i, ".");
    for (const auto& [name, tensor] : own.tensors) state.tensors[prefix + name] = tensor;
    state.json["methods"].push_back(own.json);
  }
  return state;
}

void Trainer::load(const State& state) {
  step_ = state.json.at("step").get<int64_t>();
  best_.load(state);
  micro_batch_size_ = state.json.value("micro_batch_size", micro_batch_size_);
  if (state.json.contains("loss_watch")) loss_watch_.load(state.json.at("loss_watch"));
  metrics_ = state.json.at("metrics").get<std::map<std::string, double>>();
  load_methods(state);
}

void Trainer::load_methods(const State& state) {
  for (size_t i = 0; i < methods_.size(); ++i) {
    State own;
    std::string prefix = absl::StrCat("method.", i, ".");
    for (const auto& [name, tensor] : state.tensors) {
      if (name.starts_with(prefix)) own.tensors[name.substr(prefix.size())] = tensor;
    }
    own.json = state.json.at("methods").at(i);
    methods_[i]->load(own);
  }
}

}  // namespace espalier
