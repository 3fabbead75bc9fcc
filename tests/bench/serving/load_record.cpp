#include "tests/bench/serving/load_record.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"

namespace espalier::load {
namespace {

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double rounded(double ms) { return std::round(ms * 1e4) / 1e4; }

}  // namespace

Json percentiles(std::vector<double> values) {
  Json out = {{"count", values.size()}};
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  const auto rank = [&](double share) {
    const auto place = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    return rounded(values[std::max<size_t>(place, 1) - 1]);
  };
  out["p50_ms"] = rank(0.5);
  out["p90_ms"] = rank(0.9);
  out["p99_ms"] = rank(0.99);
  out["p99.9_ms"] = rank(0.999);
  out["max_ms"] = rounded(values.back());
  return out;
}

void Record::add(const Done& done) {
  Tally& tally = tallies_[done.phase];
  tally.latencies[done.outcome].push_back(milliseconds(done.end - done.due));
  tally.late.push_back(milliseconds(done.sent - done.due));
  if (done.good) ++tally.good;
  if (logs_) log_.push_back(done);
}

void Record::mismatch(const std::string& what) {
  if (mismatches_++ == 0) first_mismatch_ = what;
}

Json Record::phase(size_t index, const Phase& phase) const {
  const auto found = tallies_.find(index);
  const Tally tally = found == tallies_.end() ? Tally() : found->second;
  Json outcomes = Json::object();
  for (const auto& [outcome, latencies] : tally.latencies)
    outcomes[outcome] = percentiles(latencies);
  Json late = percentiles(tally.late);
  late.erase("count");
  return {{"rate", phase.rate},
          {"seconds", phase.seconds},
          {"requests", tally.late.size()},
          {"good", tally.good},
          {"goodput", static_cast<double>(tally.good) / phase.seconds},
          {"outcomes", outcomes},
          {"late", late}};
}

Json Record::mismatches() const {
  Json out = {{"count", mismatches_}};
  if (mismatches_ > 0) out["first"] = first_mismatch_;
  return out;
}

absl::Status Record::write_log(const std::string& path, TimePoint start) const {
  std::string text = "due_s,latency_ms,phase,outcome\n";
  for (const Done& done : log_) {
    const double due = std::chrono::duration<double>(done.due - start).count();
    absl::StrAppendFormat(&text, "%.4f,%.3f,%d,%s\n", due, milliseconds(done.end - done.due),
                          done.phase, done.outcome);
  }
  return write_file(path, text);
}

}  // namespace espalier::load
