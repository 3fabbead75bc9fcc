#include "core/job/curve.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

constexpr char kMetric[] = "select_metric";

int64_t stride_at(int64_t step) {
  int64_t stride = 1;
  while (step / stride > kCurveSteps) stride *= 2;
  return stride;
}

// What the recipe and the step say already.
bool is_settled(const std::string& metric) {
  return metric == "learning_rate" || metric == "examples" || metric == "micro_batch_size";
}

template <class Goes>
void remove_points(Json& curve, const Goes& goes) {
  curve.erase(std::remove_if(curve.begin(), curve.end(), goes), curve.end());
}

}  // namespace

void add_to_curve(Json& curve, int64_t step, const std::map<std::string, double>& metrics,
                  bool evaluated) {
  if (curve.is_null()) curve = Json::array();
  const int64_t stride = stride_at(step);
  const auto stays = [&](int64_t at) { return at == 1 || at % stride == 0; };
  if (stride != stride_at(step - 1)) {
    remove_points(curve, [&](const Json& point) {
      return !point.contains(kMetric) && !stays(point.at("step").get<int64_t>());
    });
  }
  evaluated = evaluated && metrics.contains(kMetric);
  if (!evaluated && !stays(step)) return;
  Json point = {{"step", step}};
  for (const auto& [name, value] : metrics) {
    if (is_settled(name) || (name == kMetric && !evaluated)) continue;
    if (std::isfinite(value)) point[name] = value;  // JSON knows no other numbers
  }
  curve.push_back(std::move(point));
  if (!evaluated) return;
  const auto has_metric = [](const Json& one) { return one.contains(kMetric); };
  if (std::count_if(curve.begin(), curve.end(), has_metric) <= kCurveEvaluations) return;
  bool kept = false;  // the first and, of the odd number that they are, the last
  remove_points(curve, [&](const Json& one) { return one.contains(kMetric) && !(kept = !kept); });
}

}  // namespace espalier
