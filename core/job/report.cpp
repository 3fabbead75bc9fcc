#include "core/job/report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/picture/pictures.h"

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

// The models that a card has side by side, the dense one first.
std::vector<const char*> card_columns(const Json& report) {
  std::vector<const char*> out;
  for (const char* role : {"dense", "compressed"})
    if (report.contains(role)) out.push_back(role);
  return out;
}

std::string metric_cell(const Json& metric) {
  return absl::StrFormat("%.2f (95 %% interval %.2f to %.2f, %d examples)",
                         metric.at("value").get<double>(), metric.at("low").get<double>(),
                         metric.at("high").get<double>(), metric.at("count").get<int64_t>());
}

std::string latency_cell(const Json& column, const char* key) {
  const std::string precision = column.value("precision", "fp32");
  const std::string products = column.at("latency_ms").value("products", precision);
  return absl::StrFormat("%.2f ms%s", column.at(key).at("median").get<double>(),
                         products == precision
                             ? ""
                             : absl::StrCat(", with products in ", products,
                                            ", which is faster there than ", precision));
}

// One column of figures for each model. What a report has of one model alone leaves the cell of the
// other empty.
std::string card_table(const Json& report) {
  const std::vector<const char*> columns = card_columns(report);
  std::string table = "| |", rule = "|---|";
  for (const char* role : columns) {
    absl::StrAppend(&table, " ", role, " |");
    rule += "---|";
  }
  absl::StrAppend(&table, "\n", rule, "\n");
  // Without a row where no model has the key.
  const auto row = [&](const std::string& name, const char* key, const auto& cell) {
    std::string cells;
    bool any = false;
    for (const char* role : columns) {
      const bool has = report.at(role).contains(key);
      absl::StrAppend(&cells, " ", has ? cell(report.at(role)) : "", " |");
      any = any || has;
    }
    if (any) absl::StrAppend(&table, "| ", name, " |", cells, "\n");
  };
  const auto number = [&](const std::string& name, const char* key) {
    row(name, key,
        [&](const Json& column) { return absl::StrFormat("%.0f", column.at(key).get<double>()); });
  };
  number("parameters", "parameters");
  number("of these in the layers", "encoder_parameters");
  row("encoder sparsity", "sparsity", [](const Json& column) {
    return absl::StrFormat("%.1f %%", 100 * column.at("sparsity").get<double>());
  });
  row("weights", "bytes", [](const Json& column) {
    return absl::StrFormat("%s, %.0f bytes", column.value("precision", "fp32"),
                           column.at("bytes").get<double>());
  });
  number("MACs an example, all layers", "macs");
  number("with early exits", "macs_with_exits");
  row("median latency, one row", "latency_ms",
      [](const Json& column) { return latency_cell(column, "latency_ms"); });
  const Json& first = report.at(columns.back());
  if (first.contains("batch_latency_ms")) {
    const Json& batch = first.at("batch_latency_ms");
    row(absl::StrFormat("median latency, %d x %d tokens", batch.at("rows").get<int64_t>(),
                        batch.at("tokens").get<int64_t>()),
        "batch_latency_ms",
        [](const Json& column) { return latency_cell(column, "batch_latency_ms"); });
  }
  if (first.contains("metric")) {
    row(first.at("metric").at("name").get<std::string>(), "metric",
        [](const Json& column) { return metric_cell(column.at("metric")); });
  }
  // Of the first artifact, which is the last column.
  const auto only = [&](const std::string& name, const std::string& cell) {
    absl::StrAppend(&table, "| ", name, " |", columns.size() > 1 ? "  | " : " ", cell, " |\n");
  };
  if (report.contains("in_fp32")) {
    const Json& exact = report.at("in_fp32");
    if (exact.contains("metric")) {
      only(exact.at("metric").at("name").get<std::string>() + " with weights in fp32",
           metric_cell(exact.at("metric")));
    }
    for (const auto& [name, value] : precision_rows(report)) only(name, value);
  }
  if (!first.contains("exit_threshold")) return table;
  only("mean exit layer", absl::StrFormat("%.2f", first.at("mean_exit_layer").get<double>()));
  only("exit threshold", absl::StrFormat("%.4f", first.at("exit_threshold").get<double>()));
  for (const Json& phase : report.at("phases")) {
    if (phase.value("judged_by", "") == kAgreement)
      only("chosen by", absl::StrCat(kAgreement, ", without labels"));
  }
  return table;
}

// What the pruner was to reach, and what it reached.
std::string target_text(const Json& target) {
  const Json& asked = target.at("asked");
  const double reached = target.value("reached", 0.0);
  if (asked.contains("sparsity")) {
    return absl::StrFormat("Asked for: an encoder sparsity of %.1f %%; reached: %.1f %%.",
                           100 * asked.at("sparsity").get<double>(), 100 * reached);
  }
  for (const char* size : {"parameters", "macs", "bytes"}) {
    if (asked.contains("size") && asked.at("size").contains(size)) {
      return absl::StrFormat(
          "Asked for: at most %.0f %s; reached: %.0f.", asked.at("size").at(size).get<double>(),
          size == std::string("macs") ? "MACs of the longest input" : size, reached);
    }
  }
  if (!target.contains("milliseconds")) return absl::StrCat("Asked for: ", asked.dump(), ".");
  const std::string times = absl::StrFormat(
      "%.2f ms where the dense model takes %.2f ms, for %d x %d tokens",
      target.at("milliseconds").get<double>(), target.at("dense_milliseconds").get<double>(),
      target.at("rows").get<int64_t>(), target.at("tokens").get<int64_t>());
  if (asked.contains("speedup")) {
    return absl::StrFormat("Asked for: %g times the dense model's speed; reached: %.2f times, %s.",
                           asked.at("speedup").at("factor").get<double>(), reached, times);
  }
  return absl::StrFormat("Asked for: %g ms; reached: %s.",
                         asked.at("latency").at("milliseconds").get<double>(), times);
}

// The models of one run beside each other, the one at the target first.
std::string family_table(const Json& report) {
  std::string out =
      "\nAll sizes of this run:\n\n| asked | encoder sparsity | metric | one row | a batch |\n"
      "|---|---|---|---|---|\n";
  for (const Json& one : report.at("family")) {
    absl::StrAppend(&out,
                    absl::StrFormat("| %s | %.1f %% | %s | %.2f ms | %.2f ms |\n",
                                    one.at("target").at("asked").front().dump(),
                                    100 * one.at("sparsity").get<double>(),
                                    one.contains("metric") ? metric_cell(one.at("metric")) : "",
                                    one.at("latency_ms").at("median").get<double>(),
                                    one.at("batch_latency_ms").at("median").get<double>()));
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
              {"hidden", column.config.hidden},
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
  if (role != "dense" && report.contains("target") && report.at("target").contains("milestone"))
    out["milestone"] = report.at("target").at("milestone");
  return out;
}

std::string model_card(const Json& report, const std::string& role) {
  std::string card = absl::StrFormat(
      "---\npipeline_tag: %s\nlibrary_name: espalier\n---\n\n# %s model of job %s\n\n"
      "Made by Espalier. `report.json` holds the recipe, every figure and how it was measured; "
      "`espalier.json` says how to serve it.\n\n",
      report.at("task").get<std::string>(), role, report.at("job").get<std::string>());
  card += card_table(report);
  if (report.contains("paired_test")) {
    const Json& test = report.at("paired_test");
    card += absl::StrFormat("\nAre the metrics of the two different? %s test, p = %.2g.",
                            test.at("name").get<std::string>(), test.at("p").get<double>());
    if (test.contains("drop")) {
      card += absl::StrFormat(" The drop is %.2f points (95 %% interval %.2f to %.2f).",
                              test.at("drop").get<double>(), test.at("low").get<double>(),
                              test.at("high").get<double>());
    }
    card += "\n";
  }
  if (report.contains("target")) card += absl::StrCat("\n", target_text(report.at("target")), "\n");
  if (report.contains("constraint")) {
    const Json& constraint = report.at("constraint");
    card += absl::StrFormat(
        "\nOn the select split the metric was allowed to drop by %g points; it dropped by %.2f.\n",
        constraint.at("asked").get<double>(), constraint.at("drop").get<double>());
  }
  if (report.contains("family")) card += family_table(report);
  card +=
      absl::StrFormat("\nLatency was measured on: %s.\n", report.at("machine").get<std::string>());
  for (const Picture& one : pictures_of(report))
    absl::StrAppend(&card, "\n![", one.caption, "](", one.file, ")\n");
  return card;
}

}  // namespace espalier
