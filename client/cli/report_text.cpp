#include "client/cli/report_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/table.h"
#include "core/picture/shape.h"

namespace espalier::cli {
namespace {

bool is_flat(const Json& value) {
  return value.is_array() &&
         std::none_of(value.begin(), value.end(), [](const Json& e) { return e.is_structured(); });
}

std::string scalar_text(const Json& value) {
  if (value.is_number()) return number_text(value.get<double>());
  if (value.is_null() || value == "") return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_structured() && value.empty()) return "none";
  if (is_flat(value)) {
    std::vector<std::string> parts;
    for (const auto& element : value) parts.push_back(scalar_text(element));
    return absl::StrJoin(parts, ", ");
  }
  return value.dump();
}

// "0.8921 (0.8712 to 0.9102, n 872)".
std::string metric_text(const Json& metric) {
  if (!metric.is_object() || !metric.contains("value")) return scalar_text(metric);
  std::string text = scalar_text(metric["value"]);
  std::vector<std::string> notes;
  if (metric.contains("low") && metric.contains("high")) {
    notes.push_back(absl::StrCat(scalar_text(metric["low"]), " to ", scalar_text(metric["high"])));
  }
  if (metric.contains("count")) notes.push_back("n " + scalar_text(metric["count"]));
  return notes.empty() ? text : absl::StrCat(text, " (", absl::StrJoin(notes, ", "), ")");
}

std::string latency_text(const Json& latency) {
  const Json& value =
      latency.is_object() && latency.contains("median") ? latency["median"] : latency;
  return value.is_number() ? absl::StrFormat("%.2f ms", value.get<double>()) : scalar_text(value);
}

// "12.30 ms, 32 x 128 tokens".
std::string batch_text(const Json& latency) {
  std::string text = latency_text(latency);
  if (latency.is_object() && latency.contains("rows") && latency.contains("tokens")) {
    absl::StrAppend(&text, ", ", scalar_text(latency["rows"]), " x ",
                    scalar_text(latency["tokens"]), " tokens");
  }
  return text;
}

std::string count_cell(const Json& value) {
  return value.is_number() ? count_text(value.get<double>()) : scalar_text(value);
}

std::string size_cell(const Json& value) {
  return value.is_number() ? bytes_text(value.get<uint64_t>()) : scalar_text(value);
}

struct Row {
  const char* key;
  const char* title;
  std::string (*text)(const Json&);
};
constexpr Row kRows[] = {
    {"parameters", "parameters", count_cell},
    {"encoder_parameters", "encoder parameters", count_cell},
    {"hidden", "hidden size", count_cell},
    {"macs", "MACs an example", count_cell},
    {"bytes", "size", size_cell},
    {"latency_ms", "latency, median", latency_text},
    {"batch_latency_ms", "latency of a batch", batch_text},
    {"metric", "metric", metric_text},
    {"mean_exit_layer", "mean exit layer", scalar_text},
};

const Json& member(const Json& object, const std::string& key) {
  static const Json kNone;
  auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : kNone;
}

// The models that a report compares: as it was, as it became, and that without its precision.
constexpr std::pair<const char*, const char*> kSides[] = {
    {"dense", "dense"}, {"compressed", "compressed"}, {"in_fp32", "in fp32"}};

std::string title_of(const Row& row, const Json& side) {
  const Json& metric = member(side, "metric");
  if (std::string(row.key) == "metric" && metric.is_object() && metric.contains("name")) {
    return scalar_text(metric["name"]);
  }
  return row.title;
}

// A latency may be that of products in another format than the weights', if this machine does those
// faster.
std::string cell(const Row& row, const Json& side) {
  const Json& value = member(side, row.key);
  if (value.is_null()) return "-";
  const Json &products = member(value, "products"), &precision = member(side, "precision");
  const bool other = products.is_string() && precision.is_string() && products != precision;
  return row.text(value) + (other ? absl::StrCat(" in ", products.get<std::string>()) : "");
}

std::string side_by_side(const Json& report) {
  std::vector<std::string> head = {""};
  std::vector<Json> sides;
  for (const auto& [key, title] : kSides) {
    if (!member(report, key).is_object()) continue;
    head.push_back(title);
    sides.push_back(report[key]);
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : kRows) {
    const auto has = [&](const Json& side) { return !member(side, row.key).is_null(); };
    const auto first = std::find_if(sides.begin(), sides.end(), has);
    if (first == sides.end()) continue;
    std::vector<std::string> cells = {title_of(row, *first)};
    for (const Json& side : sides) cells.push_back(cell(row, side));
    rows.push_back(std::move(cells));
  }
  return rows.empty() ? "" : table(head, rows);
}

void append_tree(const Json& value, size_t depth, std::string& text) {
  const std::string indent(2 * depth, ' ');
  for (const auto& [key, member] : value.items()) {
    const std::string name = value.is_array() ? "-" : key + ":";
    if (member.is_structured() && !member.empty() && !is_flat(member)) {
      absl::StrAppend(&text, indent, name, "\n");
      append_tree(member, depth + 1, text);
    } else {
      absl::StrAppend(&text, indent, name, " ", scalar_text(member), "\n");
    }
  }
}

// What the table shows already is left out below it.
Json without_rows(Json side) {
  for (const auto& row : kRows) side.erase(row.key);
  return side;
}

// The curve of a training is hundreds of points, which nobody reads and a picture shows.
void shorten_curves(Json& report) {
  if (!member(report, "phases").is_array()) return;
  for (Json& phase : report["phases"]) {
    const Json& curve = member(phase, "curve");
    if (!curve.is_array() || curve.empty() || member(curve[0], "loss").is_null()) continue;
    phase["curve"] = absl::StrCat(curve.size(), " points, drawn in curves.svg");
  }
}

}  // namespace

std::string report_text(const Json& report) {
  std::string text = side_by_side(report);
  const std::string drawing = shape_text(report);
  if (!drawing.empty()) absl::StrAppend(&text, text.empty() ? "" : "\n", drawing);
  Json rest = report;
  for (const auto& [side, title] : kSides) {
    if (!member(rest, side).is_object()) continue;
    rest[side] = without_rows(rest[side]);
    if (!drawing.empty()) rest[side].erase("layers");
    if (rest[side].empty()) rest.erase(side);
  }
  shorten_curves(rest);
  if (!text.empty() && !rest.empty()) text += "\n";
  append_tree(rest, 0, text);
  return text;
}

}  // namespace espalier::cli
