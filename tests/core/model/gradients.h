// What one batch of the tiny examples does to the weights of a model.
#pragma once

#include <map>
#include <string>

#include "core/model/task_loss.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "tests/testing/tiny_model.h"

namespace espalier::testing {

struct Walked {
  double dropout = 0;
  Precision precision = Precision::kFp32;
  bool checkpointing = false;
  Record record = {};  // what is recorded enters the loss
};

// The gradient of every parameter by name and, under "gate N", that of every gate.
inline std::map<std::string, Tensor> gradients(Model& model, const Walked& how, Gates gates = {}) {
  TrainBackend backend(model, how.dropout);
  backend.set_training(true);
  backend.set_precision(how.precision);
  backend.set_checkpointing(how.checkpointing);
  model.set_requires_grad(true);
  gates = gates.map([](const Tensor& t) { return t.detach().clone().requires_grad_(); });
  gates.seal(model.config);
  WalkOptions options;
  options.record = how.record;
  at::manual_seed(7);
  const Batch batch = tiny_batch(tiny_examples(24), 24);
  Trace trace = walk(backend, batch, gates, options);
  Tensor loss = task_loss(Objective::kClass, trace.logits, batch);
  for (const Tensor& hidden : trace.hidden) loss = loss + hidden.square().mean();
  for (const Tensor& map : trace.attention) {
    if (map.defined()) loss = loss + map.square().mean();
  }
  loss.backward();
  std::map<std::string, Tensor> out;
  model.for_each([&](const std::string& name, Tensor& tensor) {
    if (tensor.grad().defined()) out[name] = tensor.grad().to_dense();
    tensor.mutable_grad() = Tensor();
  });
  for (const Tensor& gate : gates.tensors()) {
    if (gate.grad().defined()) out["gate " + std::to_string(out.size())] = gate.grad();
  }
  return out;
}

}  // namespace espalier::testing
