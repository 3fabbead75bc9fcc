#include "core/picture/curves.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/picture/svg.h"

namespace espalier {
namespace {

using Points = std::vector<PicturePoint>;  // x: a step

struct TrainingCurve {
  std::string phase;
  Points loss, metric;
};

const Json& find_in(const Json& object, const char* key) {
  static const Json kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

// Beyond these a picture has nothing to say.
std::optional<double> drawable(const Json& number) {
  if (!number.is_number()) return std::nullopt;
  const double value = number.get<double>();
  return std::abs(value) < 1e30 ? std::optional(value) : std::nullopt;
}

std::vector<TrainingCurve> curves_of(const Json& report) {
  std::vector<TrainingCurve> out;
  const Json& phases = find_in(report, "phases");
  if (!phases.is_array()) return out;
  for (const Json& phase : phases) {
    const Json &name = find_in(phase, "name"), &curve = find_in(phase, "curve");
    if (!name.is_string() || !curve.is_array()) continue;
    TrainingCurve one;
    one.phase = name.get<std::string>();
    for (const Json& point : curve) {
      const auto step = drawable(find_in(point, "step"));
      if (!step) continue;  // what is no training has curves over other things
      if (const auto loss = drawable(find_in(point, "loss"))) one.loss.push_back({*step, *loss});
      if (const auto metric = drawable(find_in(point, "select_metric")))
        one.metric.push_back({*step, *metric});
    }
    if (!one.loss.empty()) out.push_back(std::move(one));
  }
  return out;
}

// --- what is drawn of many points

constexpr size_t kMostDrawn = 200, kMostDots = 40;
constexpr size_t kFewest = 20;  // to be smoothed

Points thinned(const Points& points) {
  const size_t stride = (points.size() + kMostDrawn - 1) / kMostDrawn;
  if (stride <= 1) return points;
  Points out;
  for (size_t i = 0; i < points.size(); i += stride) out.push_back(points[i]);
  if (out.back().x != points.back().x) out.push_back(points.back());
  return out;
}

// Each as the mean of itself and its neighbours, as many on either side; of few points themselves.
Points smoothed(const Points& points) {
  Points out = points;
  for (size_t i = 0; i < points.size(); ++i) {
    const size_t reach = std::min({points.size() / kFewest, i, points.size() - 1 - i});
    double sum = 0;
    for (size_t j = i - reach; j <= i + reach; ++j) sum += points[j].y;
    out[i].y = sum / static_cast<double>(2 * reach + 1);
  }
  return out;
}

// --- scales

struct Scale {
  double low = 0, high = 1;
  double share(double value) const { return (value - low) / (high - low); }
};

Scale scale_of(const std::vector<const Points*>& all) {
  Scale out{1e300, -1e300};
  for (const Points* points : all) {
    for (const PicturePoint& at : *points) {
      out.low = std::min(out.low, at.y);
      out.high = std::max(out.high, at.y);
    }
  }
  const double middle = (out.low + out.high) / 2;
  const double least = std::max(std::abs(middle) * 1e-3, 1e-6);  // that a scale spans
  const double half = std::max((out.high - out.low) * 0.53, least / 2);
  return {middle - half, middle + half};
}

struct Tick {
  double at = 0;
  std::string text;
};

// Round numbers within a scale, about so many.
std::vector<Tick> ticks_of(const Scale& scale, int about) {
  const double rough = (scale.high - scale.low) / about;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double round : {5, 2, 1})
    if (round * power >= rough * 0.999) step = round * power;
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 9);
  const double first = std::ceil(scale.low / step - 1e-9);
  std::vector<Tick> out;
  for (int i = 0; i <= 2 * about; ++i) {
    const double value = (first + i) * step;
    if (value > scale.high + 1e-9 * step) break;
    out.push_back({value, std::abs(value) < 1e6 ? absl::StrFormat("%.*f", decimals, value)
                                                : absl::StrFormat("%g", value)});
  }
  return out;
}

// --- the picture, in pixels

constexpr double kPlotWidth = 190, kPlotHeight = 120, kLeft = 76, kBetween = 62, kRight = 18;
constexpr double kTopLoss = 72, kTopMetric = kTopLoss + kPlotHeight + 34, kBottom = 44;
constexpr char kGrid[] = R"(stroke="#d8dee4")", kAxis[] = R"(stroke="#8c959f")";
constexpr char kSmall[] = R"(font-size="10" fill="#57606a")";
constexpr char kMiddle[] = R"( text-anchor="middle")", kEnd[] = R"( text-anchor="end")";
constexpr char kLossLight[] = R"(stroke="#3b6fb5" stroke-width="1" stroke-opacity="0.3")";
constexpr char kLossLine[] = R"(stroke="#3b6fb5" stroke-width="1.6" stroke-linejoin="round")";
constexpr char kMetricLine[] = R"(stroke="#2f8f6b" stroke-width="1.6" stroke-linejoin="round")";
constexpr char kLossDot[] = R"(fill="#3b6fb5")", kMetricDot[] = R"(fill="#2f8f6b")";

// Where a plot stands, and what its edges mean.
struct Plot {
  double left = 0, top = 0;
  Scale x, y;
  PicturePoint place(const PicturePoint& at) const {
    return {left + kPlotWidth * x.share(at.x), top + kPlotHeight * (1 - y.share(at.y))};
  }
};

void draw_axes(Svg& svg, const Plot& plot) {
  const double right = plot.left + kPlotWidth, bottom = plot.top + kPlotHeight;
  for (const Tick& tick : ticks_of(plot.y, 6)) {
    const double y = plot.place({0, tick.at}).y;
    svg.line({{plot.left, y}, {right, y}}, kGrid);
    svg.words(plot.left - 6, y + 3.5, tick.text, absl::StrCat(kSmall, kEnd));
  }
  for (const Tick& tick : ticks_of(plot.x, 5)) {
    const double x = plot.place({tick.at, 0}).x;
    svg.line({{x, bottom}, {x, bottom + 4}}, kAxis);
    svg.words(x, bottom + 15, tick.text, absl::StrCat(kSmall, kMiddle));
  }
  svg.line({{plot.left, plot.top}, {plot.left, bottom}, {right, bottom}}, kAxis);
}

// With dots where there are at most so many.
void draw_points(Svg& svg, const Plot& plot, const Points& points, const char* line,
                 const char* dot, size_t most_dots) {
  Points placed;
  for (const PicturePoint& at : points) placed.push_back(plot.place(at));
  if (placed.size() > 1) svg.line(placed, line);
  if (placed.size() > most_dots) return;
  for (const PicturePoint& at : placed) svg.dot(at, dot);
}

void draw_axis_name(Svg& svg, double top, const std::string& name) {
  const double x = 20, y = top + kPlotHeight / 2;
  svg.words(x, y, name, absl::StrFormat("transform=\"rotate(-90 %g %g)\"", x, y) + kMiddle);
}

void draw_training(Svg& svg, const TrainingCurve& curve, double left,
                   const std::optional<Scale>& metric) {
  const double middle = left + kPlotWidth / 2;
  svg.words(middle, kTopLoss - 14, curve.phase, absl::StrCat(R"(font-weight="bold")", kMiddle));
  Plot plot{left, kTopLoss, {0, std::max(curve.loss.back().x, 1.0)}, scale_of({&curve.loss})};
  draw_axes(svg, plot);
  if (curve.loss.size() >= kFewest)
    draw_points(svg, plot, thinned(curve.loss), kLossLight, kLossDot, 0);
  draw_points(svg, plot, thinned(smoothed(curve.loss)), kLossLine, kLossDot, 1);
  double bottom = kTopLoss;
  if (metric && !curve.metric.empty()) {
    plot.top = bottom = kTopMetric;
    plot.y = *metric;
    draw_axes(svg, plot);
    draw_points(svg, plot, thinned(curve.metric), kMetricLine, kMetricDot, kMostDots);
  } else if (metric) {
    svg.words(middle, kTopMetric + kPlotHeight / 2, "not measured", absl::StrCat(kSmall, kMiddle));
  }
  svg.words(middle, bottom + kPlotHeight + 32, "step", absl::StrCat(kSmall, kMiddle));
}

// As the report calls it.
std::string metric_name(const Json& report) {
  const Json& name = find_in(find_in(find_in(report, "dense"), "metric"), "name");
  return name.is_string() ? name.get<std::string>() : "metric";
}

}  // namespace

std::string curves_svg(const Json& report) {
  const std::vector<TrainingCurve> curves = curves_of(report);
  if (curves.empty()) return "";
  std::vector<const Points*> metrics;
  for (const TrainingCurve& curve : curves)
    if (!curve.metric.empty()) metrics.push_back(&curve.metric);
  std::optional<Scale> metric;
  if (!metrics.empty()) metric = scale_of(metrics);

  const auto trainings = static_cast<double>(curves.size());
  const double width = kLeft + trainings * kPlotWidth + (trainings - 1) * kBetween + kRight;
  const char title[] = "Training curves";
  Svg svg(width, (metric ? kTopMetric : kTopLoss) + kPlotHeight + kBottom, title);
  svg.words(16, 26, title, R"(font-size="14" font-weight="bold")");
  draw_axis_name(svg, kTopLoss, "loss");
  if (metric) draw_axis_name(svg, kTopMetric, metric_name(report) + ", select");
  for (size_t i = 0; i < curves.size(); ++i)
    draw_training(svg, curves[i], kLeft + (kPlotWidth + kBetween) * static_cast<double>(i), metric);
  return svg.written();
}

}  // namespace espalier
