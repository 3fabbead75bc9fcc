#include "core/model/latency_table.h"

#include <algorithm>

namespace espalier {
namespace {

using Grid = std::vector<double>;
using Values = std::vector<std::vector<double>>;

// The segment of a rising grid that x lies in, or is nearest to.
size_t segment(const Grid& grid, double x) {
  const auto above = std::upper_bound(grid.begin(), grid.end(), x) - grid.begin();
  return static_cast<size_t>(
      std::clamp<int64_t>(above - 1, 0, static_cast<int64_t>(grid.size()) - 2));
}

// Linear between the points of `y`, and beyond the ends as in the segments there. `at(i)`: y at the
// grid's i-th point.
template <class At>
Tensor between(const Grid& grid, const Tensor& x, At&& at) {
  if (grid.size() == 1) return at(0);
  const size_t i = segment(grid, x.item<double>());
  const Tensor share = (x - grid[i]) / (grid[i + 1] - grid[i]);
  return at(i) * (1 - share) + at(i + 1) * share;
}

class LatencyCost : public CostFunction {
 public:
  LatencyCost(LatencyTable table, int layers) : table_(std::move(table)), last_(layers - 1) {}
  Tensor attention(int layer, const Tensor& heads, const Tensor& hidden) const override {
    return on(table_.heads, layer == last_ ? table_.last_attention : table_.attention, heads,
              hidden);
  }
  Tensor ffn(int layer, const Tensor& neurons, const Tensor& hidden) const override {
    return on(table_.neurons, layer == last_ ? table_.last_ffn : table_.ffn, neurons, hidden);
  }
  Tensor rest(const Tensor& hidden) const override {
    return between(table_.hidden, hidden,
                   [&](size_t i) { return at::full({}, table_.rest[i], at::kDouble); });
  }

 private:
  Tensor on(const Grid& units, const Values& values, const Tensor& x, const Tensor& hidden) const {
    return between(table_.hidden, hidden, [&](size_t h) {
      return between(units, x, [&](size_t u) { return at::full({}, values[h][u], at::kDouble); });
    });
  }

  LatencyTable table_;
  int last_;
};

}  // namespace

Json LatencyTable::to_json() const {
  return {{"machine", machine},
          {"precision", precision},
          {"rows", rows},
          {"tokens", tokens},
          {"hidden", hidden},
          {"heads", heads},
          {"neurons", neurons},
          {"attention_ms", attention},
          {"ffn_ms", ffn},
          {"last_attention_ms", last_attention},
          {"last_ffn_ms", last_ffn},
          {"rest_ms", rest}};
}

LatencyTable LatencyTable::from_json(const Json& json) {
  LatencyTable out;
  json.at("machine").get_to(out.machine);
  json.at("precision").get_to(out.precision);
  json.at("rows").get_to(out.rows);
  json.at("tokens").get_to(out.tokens);
  json.at("hidden").get_to(out.hidden);
  json.at("heads").get_to(out.heads);
  json.at("neurons").get_to(out.neurons);
  json.at("attention_ms").get_to(out.attention);
  json.at("ffn_ms").get_to(out.ffn);
  json.at("last_attention_ms").get_to(out.last_attention);
  json.at("last_ffn_ms").get_to(out.last_ffn);
  json.at("rest_ms").get_to(out.rest);
  return out;
}

std::shared_ptr<const CostFunction> latency_cost(LatencyTable table, int layers) {
  return std::make_shared<LatencyCost>(std::move(table), layers);
}

}  // namespace espalier
