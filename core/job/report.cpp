#include "core/job/report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace espalier {

Json metric_json(const Metric& metric) {
  return {{"name", metric.name}, {"value", metric.value}, {"low", metric.low},
          {"high", metric.high}, {"count", metric.count}, {"interval", metric.interval}};
}

Json column_json(const Column& column, double dense_encoder_parameters) {
  Counts counts = count(column.config, 1);
  Json layers = Json::array();
  for (const LayerShape& layer : column.config.layers) {
    layers.push_back({{"heads", layer.kept_heads}, {"neurons", layer.neurons}});
  }
  Json metrics = Json::array();
  for (const Metric& metric : column.metrics) metrics.push_back(metric_json(metric));
  Json out = {{"parameters", counts.parameters},
              {"encoder_parameters", counts.encoder_parameters},
              {"encoder_nonzero", column.nonzero_parameters},
              {"sparsity", 1 - column.nonzero_parameters / dense_encoder_parameters},
              {"macs", column.macs},
              {"bytes", column.bytes},
              {"metrics", metrics},
              {"latency_ms",
               {{"median", column.latency.median_ms},
                {"p95", column.latency.p95_ms},
                {"samples", column.latency.samples},
                {"tokens", column.latency.mean_tokens}}},
              {"mean_exit_layer", column.mean_exit_layer},
              {"layers", layers}};
  if (!metrics.empty()) out["metric"] = metrics.front();  // without labels nothing was measured
  if (column.exit_threshold >= 0) {
    out["exit_threshold"] = column.exit_threshold;
    out["macs_with_exits"] = column.macs_with_exits;
  }
  return out;
}

Json summary_of(const Json& report, const std::string& role) {
  const Json& column = report.at(role);
  Json out = {{"role", role}};
  for (const char* key :
       {"parameters", "encoder_parameters", "sparsity", "macs", "bytes", "mean_exit_layer"}) {
    out[key] = column.at(key);
  }
  if (column.contains("metric")) out["metric"] = column.at("metric");
  out["latency_ms_median"] = column.at("latency_ms").at("median");
  return out;
}

std::string model_card(const Json& report, const std::string& role) {
  const Json& column = report.at(role);
  std::string card = absl::StrFormat(
      "---\npipeline_tag: %s\nlibrary_name: espalier\n---\n\n# %s model of job %s\n\n"
      "Made by Espalier. `report.json` holds the recipe, every figure and how it was measured; "
      "`espalier.json` says how to serve it.\n\n| | |\n|---|---|\n",
      report.at("task").get<std::string>(), role, report.at("job").get<std::string>());
  auto row = [&](const std::string& name, const std::string& value) {
    card += absl::StrCat("| ", name, " | ", value, " |\n");
  };
  row("parameters", absl::StrFormat("%.0f", column.at("parameters").get<double>()));
  row("of these in the layers",
      absl::StrFormat("%.0f", column.at("encoder_parameters").get<double>()));
  row("encoder sparsity", absl::StrFormat("%.1f %%", 100 * column.at("sparsity").get<double>()));
  if (column.contains("metric")) {
    const Json& metric = column.at("metric");
    row(metric.at("name").get<std::string>(),
        absl::StrFormat("%.2f (95 %% interval %.2f to %.2f, %d examples)",
                        metric.at("value").get<double>(), metric.at("low").get<double>(),
                        metric.at("high").get<double>(), metric.at("count").get<int64_t>()));
  }
  row("median latency, one row",
      absl::StrFormat("%.2f ms", column.at("latency_ms").at("median").get<double>()));
  if (column.contains("exit_threshold")) {
    row("mean exit layer", absl::StrFormat("%.2f", column.at("mean_exit_layer").get<double>()));
    row("exit threshold", absl::StrFormat("%.4f", column.at("exit_threshold").get<double>()));
    for (const Json& phase : report.at("phases")) {
      if (phase.value("judged_by", "") == kAgreement)
        row("chosen by", absl::StrCat(kAgreement, ", without labels"));
    }
  }
  card +=
      absl::StrFormat("\nLatency was measured on: %s.\n", report.at("machine").get<std::string>());
  return card;
}

}  // namespace espalier
