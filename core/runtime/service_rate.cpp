#include "core/runtime/service_rate.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier::runtime {
namespace {

constexpr double kDecay = 0.97;  // a batch: the last 30 or so count
constexpr double kSpread = 0.1;  // of the mean: batches that differ less say little about the slope
constexpr double kFlattest = 0.1;  // least share of the cost that grows with the tokens
// A batch counts for at most so many times what was expected. One that the machine held up for
// seconds would else be what all later ones are refused by; what lasts is learnt all the same.
constexpr double kSurprise = 4;

Duration ticks(double count) { return Duration(static_cast<Duration::rep>(std::llround(count))); }

}  // namespace

void ServiceRate::learn(int64_t tokens, Duration took, Duration turn) {
  const auto x = static_cast<double>(tokens), shared = static_cast<double>((turn - took).count());
  auto y = static_cast<double>(took.count());
  if (known())
    y = std::min(
        y, kSurprise * std::max(static_cast<double>(compute(tokens).count()), time_ / weight_));
  const auto add = [](double& sum, double value) { sum = sum * kDecay + value; };
  add(weight_, 1);
  add(tokens_, x);
  add(time_, y);
  add(tokens_squared_, x * x);
  add(tokens_time_, x * y);
  add(turn_, y + std::max(shared, 0.0));
}

ServiceRate::Line ServiceRate::line() const {
  if (!known() || tokens_ <= 0) return {};
  const double x = tokens_ / weight_, y = time_ / weight_, ratio = y / x;
  const double variance = tokens_squared_ / weight_ - x * x;
  const double covariance = tokens_time_ / weight_ - x * y;
  const double prior = kSpread * x * kSpread * x;
  const double slope = std::clamp((covariance + prior * ratio) / (std::max(variance, 0.0) + prior),
                                  kFlattest * ratio, ratio);
  return {y - slope * x, slope};
}

Duration ServiceRate::compute(int64_t tokens) const {
  const Line cost = line();
  return ticks(cost.fixed + cost.per_token * static_cast<double>(tokens));
}

int64_t ServiceRate::tokens_within(Duration time) const {
  const Line cost = line();
  if (cost.per_token <= 0) return std::numeric_limits<int64_t>::max();
  const double tokens = (static_cast<double>(time.count()) - cost.fixed) / cost.per_token;
  return static_cast<int64_t>(std::clamp(tokens, 1.0, 1e15));
}

double ServiceRate::stretch() const { return time_ > 0 ? std::max(1.0, turn_ / time_) : 1.0; }

}  // namespace espalier::runtime
