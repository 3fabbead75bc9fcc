// Measured times of sub-layers as a cost (cost.h): milliseconds over (heads, hidden) and (neurons,
// hidden), linear between what was measured. A table belongs to a machine, a number of threads, a
// precision, and a batch of so many rows of so many tokens.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/model/cost.h"

namespace espalier {

struct LatencyTable {
  std::string machine, precision;
  int rows = 1, tokens = 0;
  // Rising; heads and neurons begin with 0, which is a sub-layer that is gone.
  std::vector<double> hidden, heads, neurons;
  // Milliseconds of one sub-layer, [hidden][heads] and [hidden][neurons]; `last`: of the last
  // layer, which goes on with the rows' first tokens alone where the head reads no others.
  std::vector<std::vector<double>> attention, ffn, last_attention, last_ffn;
  std::vector<double> rest;  // [hidden]: embeddings and head

  Json to_json() const;
  static LatencyTable from_json(const Json& json);
};

// `layers`: of the model.
std::shared_ptr<const CostFunction> latency_cost(LatencyTable table, int layers);

}  // namespace espalier
