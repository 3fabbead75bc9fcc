#include "core/job/curve.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace espalier {
namespace {

constexpr size_t kMostSteps = kCurveSteps + 1;  // the first stays, too

// Of a training that evaluates every so many steps; from a step on, as one that was resumed does.
void train_on(Json& curve, int64_t from, int64_t to, int64_t every) {
  double metric = 0;
  for (int64_t step = from; step <= to; ++step) {
    const bool evaluated = every > 0 && step % every == 0;
    if (evaluated) metric = 50 + static_cast<double>(step) / static_cast<double>(to);
    std::map<std::string, double> metrics = {{"loss", 1.0 / static_cast<double>(step)},
                                             {"learning_rate", 1e-3},
                                             {"examples", 16.0 * static_cast<double>(step)},
                                             {"micro_batch_size", 16}};
    if (metric > 0) metrics["select_metric"] = metric;
    add_to_curve(curve, step, metrics, evaluated);
  }
}

Json curve_of(int64_t steps, int64_t every) {
  Json curve;
  train_on(curve, 1, steps, every);
  return curve;
}

std::vector<int64_t> steps_in(const Json& curve, bool evaluated) {
  std::vector<int64_t> out;
  for (const Json& point : curve)
    if (point.contains("select_metric") == evaluated) out.push_back(point.at("step"));
  return out;
}

TEST(Curve, HasEveryStepOfAShortTraining) {
  EXPECT_EQ(curve_of(3, 2).dump(),
            R"([{"loss":1.0,"step":1},{"loss":0.5,"select_metric":50.666666666666664,"step":2},)"
            R"({"loss":0.3333333333333333,"step":3}])");
}

TEST(Curve, KeepsThePowersOfTwoThatFitOfALongOne) {
  const std::vector<int64_t> steps = steps_in(curve_of(1000, 0), false);
  EXPECT_EQ(std::vector<int64_t>(steps.begin(), steps.begin() + 3),
            (std::vector<int64_t>{1, 8, 16}));
  EXPECT_EQ(steps.back(), 1000);
  for (int64_t total : {199, 200, 201, 400, 401, 12345})
    EXPECT_LE(curve_of(total, 0).size(), kMostSteps) << total;
}

TEST(Curve, KeepsEveryEvaluation) {
  const Json curve = curve_of(5000, 33);
  EXPECT_EQ(steps_in(curve, true).size(), 151u);
  EXPECT_LE(steps_in(curve, false).size(), kMostSteps);
}

TEST(Curve, IsBoundedWhereEveryStepIsEvaluated) {
  const Json curve = curve_of(5000, 1);
  EXPECT_LE(curve.size(), static_cast<size_t>(kCurveEvaluations));
  EXPECT_EQ(curve.back().at("step").get<int64_t>(), 5000);
  EXPECT_TRUE(std::is_sorted(curve.begin(), curve.end(), [](const Json& a, const Json& b) {
    return a.at("step") < b.at("step");
  }));
}

TEST(Curve, GoesOnBehindACheckpointAsIfNothingHadBeen) {
  for (int64_t stop : {1, 200, 201, 333, 900}) {
    Json curve;
    train_on(curve, 1, stop, 0);
    Json resumed = Json::parse(curve.dump());
    train_on(resumed, stop + 1, 1000, 0);
    EXPECT_EQ(resumed, curve_of(1000, 0)) << stop;
  }
}

TEST(Curve, TakesUpWhatElseIsMeasuredAndNoNumberThatIsNone) {
  Json curve;
  add_to_curve(
      curve, 1,
      {{"loss", 1}, {"sparsity", 0.25}, {"penalty", std::numeric_limits<double>::infinity()}},
      true);
  EXPECT_EQ(curve, Json::parse(R"([{"step": 1, "loss": 1.0, "sparsity": 0.25}])"));
}

}  // namespace
}  // namespace espalier
