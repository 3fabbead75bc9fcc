#include "core/picture/shape.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/picture/svg.h"

namespace espalier {
namespace {

constexpr double kMostNeurons = 1e9;
constexpr size_t kMostHeadCells = 32;  // more are drawn as a share
constexpr int kNeuronCells = 20;

// Units of one kind in a layer.
struct Units {
  int64_t kept = 0, dense = 0;
  bool gone() const { return kept == 0 && dense > 0; }
  std::string text() const { return absl::StrCat(kept, "/", dense); }
  void operator+=(const Units& other) {
    kept += other.kept;
    dense += other.dense;
  }
};

struct LayerDrawn {
  std::vector<bool> heads;  // of the dense model's, whether it is kept
  Units head_count, neurons;
};

struct Shape {
  std::vector<LayerDrawn> layers;
  Units heads, neurons, hidden;  // of all together; hidden is 0 of 0 where the report has none
  size_t most_heads = 0;         // of a layer, dense
  int64_t most_neurons = 0;
};

const Json& value_at(const Json& object, const char* key) {
  static const Json kNone;
  const auto found = object.find(key);  // the end of what is no object
  return found == object.end() ? kNone : *found;
}

std::vector<double> numbers_of(const Json& list) {
  std::vector<double> out;
  if (!list.is_array()) return out;
  for (const Json& one : list)
    if (one.is_number()) out.push_back(one.get<double>());
  return out;
}

int64_t whole(const Json& number) {
  if (!number.is_number()) return 0;
  return std::llround(std::clamp(number.get<double>(), 0.0, kMostNeurons));
}

Shape shape_of(const Json& report) {
  const Json &dense = value_at(value_at(report, "dense"), "layers"),
             &compressed = value_at(value_at(report, "compressed"), "layers");
  Shape out;
  if (!dense.is_array() || !compressed.is_array() || dense.size() != compressed.size()) return out;
  for (size_t i = 0; i < dense.size(); ++i) {
    LayerDrawn layer;
    const std::vector<double> left = numbers_of(value_at(compressed[i], "heads"));
    for (const double head : numbers_of(value_at(dense[i], "heads"))) {
      layer.heads.push_back(std::find(left.begin(), left.end(), head) != left.end());
      layer.head_count += {layer.heads.back() ? 1 : 0, 1};
    }
    layer.neurons = {whole(value_at(compressed[i], "neurons")),
                     whole(value_at(dense[i], "neurons"))};
    out.heads += layer.head_count;
    out.neurons += layer.neurons;
    out.most_heads = std::max(out.most_heads, layer.heads.size());
    out.most_neurons = std::max(out.most_neurons, layer.neurons.dense);
    out.layers.push_back(std::move(layer));
  }
  out.hidden = {whole(value_at(value_at(report, "compressed"), "hidden")),
                whole(value_at(value_at(report, "dense"), "hidden"))};
  return out;
}

// --- as text

// A share that is not all or nothing does not look like it.
std::string bar_text(const Units& units, int cells) {
  int filled = 0;
  if (units.kept > 0) {
    const auto share = static_cast<double>(units.kept) / static_cast<double>(units.dense);
    filled = units.kept >= units.dense
                 ? cells
                 : std::clamp(static_cast<int>(std::lround(share * cells)), 1, cells - 1);
  }
  return std::string(filled, '#') + std::string(cells - filled, '.');
}

std::string heads_text(const LayerDrawn& layer, size_t cells) {
  if (layer.heads.size() > kMostHeadCells)
    return bar_text(layer.head_count, static_cast<int>(kMostHeadCells));
  std::string out;
  for (const bool kept : layer.heads) out += kept ? '#' : '.';
  return out + std::string(cells - out.size(), ' ');
}

// --- as a picture: columns from left to right, in pixels

constexpr double kLabelRight = 30, kHeadsLeft = 40, kHeadsWidth = 230, kHeadsCount = 276,
                 kNeuronsLeft = 330, kNeuronsWidth = 300, kNeuronsCount = 636, kShapeWidth = 720;
constexpr double kFirstRow = 76, kRow = 20, kBar = 13;
constexpr char kDenseStyle[] = R"(fill="#eaeef2" stroke="#afb8c1")";
constexpr char kGoneStyle[] = R"(fill="none" stroke="#afb8c1" stroke-dasharray="3 3")";
constexpr char kHeadColour[] = R"(fill="#3b6fb5")", kNeuronColour[] = R"(fill="#2f8f6b")";
constexpr char kGoneWord[] = R"(fill="#b3541e")", kGreyWord[] = R"(fill="#57606a")";

void draw_count(Svg& svg, double x, double y, const Units& units) {
  if (units.dense == 0) return;  // the dense model has none here
  svg.words(x, y, units.gone() ? "gone" : units.text(), units.gone() ? kGoneWord : "");
}

void draw_layer(Svg& svg, const Shape& shape, size_t index) {
  const LayerDrawn& layer = shape.layers[index];
  const double top = kFirstRow + kRow * static_cast<double>(index), words = top + kBar - 2.5;
  svg.words(kLabelRight, words, absl::StrCat(index + 1), R"(text-anchor="end")");

  const double cell = kHeadsWidth / static_cast<double>(std::max<size_t>(shape.most_heads, 1));
  const double gap = cell > 6 ? 2 : 0;
  if (!layer.heads.empty()) {
    svg.box(kHeadsLeft, top, cell * static_cast<double>(layer.heads.size()), kBar,
            layer.head_count.gone() ? kGoneStyle : kDenseStyle);
  }
  for (size_t head = 0; head < layer.heads.size(); ++head) {
    if (!layer.heads[head]) continue;
    svg.box(kHeadsLeft + cell * static_cast<double>(head) + gap / 2, top + gap / 2, cell - gap,
            kBar - gap, kHeadColour);
  }
  draw_count(svg, kHeadsCount, words, layer.head_count);

  const Units& neurons = layer.neurons;
  const double scale =
      kNeuronsWidth / static_cast<double>(std::max<int64_t>(shape.most_neurons, 1));
  if (neurons.dense > 0) {
    svg.box(kNeuronsLeft, top, scale * static_cast<double>(neurons.dense), kBar,
            neurons.gone() ? kGoneStyle : kDenseStyle);
  }
  if (neurons.kept > 0) {
    const double width = scale * static_cast<double>(std::min(neurons.kept, neurons.dense));
    svg.box(kNeuronsLeft, top + 1, std::max(width, 1.0), kBar - 2, kNeuronColour);
  }
  draw_count(svg, kNeuronsCount, words, neurons);
}

// "encoder sparsity 40.0 %, hidden size 312/384".
std::string shape_note(const Json& report, const Shape& shape) {
  std::string out;
  const Json& sparsity = value_at(value_at(report, "compressed"), "sparsity");
  if (sparsity.is_number())
    out = absl::StrFormat("encoder sparsity %.1f %%", 100 * sparsity.get<double>());
  if (shape.hidden.kept < shape.hidden.dense)
    absl::StrAppend(&out, out.empty() ? "" : ", ", "hidden size ", shape.hidden.text());
  return out;
}

}  // namespace

std::string shape_svg(const Json& report) {
  const Shape shape = shape_of(report);
  if (shape.layers.empty()) return "";
  const char title[] = "What is left of each layer";
  Svg svg(kShapeWidth, kFirstRow + kRow * static_cast<double>(shape.layers.size()) + 8, title);
  svg.words(kHeadsLeft, 26, title, R"(font-size="14" font-weight="bold")");
  svg.words(kShapeWidth - 16, 26, shape_note(report, shape),
            absl::StrCat(R"(text-anchor="end" )", kGreyWord));
  svg.words(kLabelRight, 58, "layer",
            absl::StrCat(R"(text-anchor="end" font-size="10" )", kGreyWord));
  const auto head_line = [&](double x, const char* what, const Units& units) {
    svg.words(x, 58, absl::StrCat(what, ": ", units.kept, " of ", units.dense));
  };
  head_line(kHeadsLeft, "attention heads", shape.heads);
  head_line(kNeuronsLeft, "feed-forward neurons", shape.neurons);
  for (size_t i = 0; i < shape.layers.size(); ++i) draw_layer(svg, shape, i);
  return svg.written();
}

std::string shape_text(const Json& report) {
  const Shape shape = shape_of(report);
  const auto digits = static_cast<int>(absl::StrCat(shape.layers.size()).size());
  size_t count = 0;
  for (const LayerDrawn& layer : shape.layers)
    count = std::max(count, layer.head_count.text().size());
  std::string out;
  for (size_t i = 0; i < shape.layers.size(); ++i) {
    const LayerDrawn& layer = shape.layers[i];
    absl::StrAppendFormat(&out, " %*d  heads %s %-*s  neurons %s %s\n", digits, i + 1,
                          heads_text(layer, std::min(shape.most_heads, kMostHeadCells)),
                          static_cast<int>(count), layer.head_count.text(),
                          bar_text(layer.neurons, kNeuronCells), layer.neurons.text());
  }
  if (!out.empty() && shape.hidden.kept < shape.hidden.dense)
    absl::StrAppend(&out, " hidden dimensions of all layers ", shape.hidden.text(), "\n");
  return out;
}

}  // namespace espalier
