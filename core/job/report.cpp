#include "core/job/report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace espalier {
namespace {

// What the precision of an artifact changed, as rows of its card.
std::vector<std::pair<std::string, std::string>> precision_rows(const Json& report) {
  std::vector<std::pair<std::string, std::string>> out;
  if (report.contains("precision_cost")) {
    const Json& cost = report.at("precision_cost");
    out.emplace_back(
        "what the precision cost",
        absl::StrFormat("%.2f points (95 %% interval %.2f to %.2f)", cost.at("value").get<double>(),
                        cost.at("low").get<double>(), cost.at("high").get<double>()));
  }
  if (report.contains("precision_test")) {
    const Json& test = report.at("precision_test");
    out.emplace_back("are the two different?",
                     absl::StrFormat("%s test, p = %.2g", test.at("name").get<std::string>(),
                                     test.at("p").get<double>()));
  }
  if (report.contains("precision_gap")) {
    const Json& gap = report.at("precision_gap");
    const std::string logits = absl::StrFormat(
        "logits differ by %.2g, at most by %.2g, on %d rows", gap.at("mean").get<double>(),
        gap.at("max").get<double>(), gap.at("rows").get<int64_t>());
    out.emplace_back(
        "beside fp32's answers",
        gap.contains("agreement")
            ? absl::StrFormat("%.1f %% the same; %s", gap.at("agreement").get<double>(), logits)
            : logits);
  }
  return out;
}

}  // namespace

Json metric_json(const Metric& metric) {
  return {{"name", metric.name}, {"value", metric.value}, {"low", metric.low},
          {"high", metric.high}, {"count", metric.count}, {"interval", metric.interval}};
}

Json gap_json(const PrecisionGap& gap) {
  Json out = {{"rows", gap.rows}, {"max", gap.largest}, {"mean", gap.mean}};
  if (gap.agreement) out["agreement"] = *gap.agreement;
  return out;
}

Json figures_json(const Column& column) {
  Json metrics = Json::array();
  for (const Metric& metric : column.metrics) metrics.push_back(metric_json(metric));
  Json out = {{"bytes", column.bytes},
              {"precision", column.precision},
              {"metrics", metrics},
              {"latency_ms",
               {{"median", column.latency.median_ms},
                {"p95", column.latency.p95_ms},
                {"samples", column.latency.samples},
                {"tokens", column.latency.mean_tokens},
                {"products", column.latency.products}}},
              {"mean_exit_layer", column.mean_exit_layer}};
  if (!metrics.empty()) out["metric"] = metrics.front();  // without labels nothing was measured
  if (column.exit_threshold >= 0) out["macs_with_exits"] = column.macs_with_exits;
  return out;
}

Json column_json(const Column& column, double dense_encoder_parameters) {
  Counts counts = count(column.config, 1);
  Json layers = Json::array();
  for (const LayerShape& layer : column.config.layers) {
    layers.push_back({{"heads", layer.kept_heads}, {"neurons", layer.neurons}});
  }
  Json out = figures_json(column);
  out.update({{"parameters", counts.parameters},
              {"encoder_parameters", counts.encoder_parameters},
              {"encoder_nonzero", column.nonzero_parameters},
              {"sparsity", 1 - column.nonzero_parameters / dense_encoder_parameters},
              {"macs", column.macs},
              {"layers", layers}});
  if (column.exit_threshold >= 0) out["exit_threshold"] = column.exit_threshold;
  return out;
}

Json summary_of(const Json& report, const std::string& role) {
  const Json& column = report.at(role);
  Json out = {{"role", role}};
  for (const char* key : {"precision", "parameters", "encoder_parameters", "sparsity", "macs",
                          "bytes", "mean_exit_layer"}) {
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
  row("weights", absl::StrFormat("%s, %.0f bytes", column.value("precision", "fp32"),
                                 column.at("bytes").get<double>()));
  auto metric_row = [&](const Json& of, const char* where) {
    if (!of.contains("metric")) return;
    const Json& metric = of.at("metric");
    row(metric.at("name").get<std::string>() + where,
        absl::StrFormat("%.2f (95 %% interval %.2f to %.2f, %d examples)",
                        metric.at("value").get<double>(), metric.at("low").get<double>(),
                        metric.at("high").get<double>(), metric.at("count").get<int64_t>()));
  };
  metric_row(column, "");
  const std::string precision = column.value("precision", "fp32");
  if (report.contains("in_fp32") && precision != "fp32") {
    metric_row(report.at("in_fp32"), " with weights in fp32");
    for (const auto& [name, value] : precision_rows(report)) row(name, value);
  }
  const Json& latency = column.at("latency_ms");
  const std::string products = latency.value("products", precision);
  row("median latency, one row",
      absl::StrFormat("%.2f ms%s", latency.at("median").get<double>(),
                      products == precision
                          ? ""
                          : absl::StrCat(", with products in ", products,
                                         ", which is faster there than ", precision)));
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
