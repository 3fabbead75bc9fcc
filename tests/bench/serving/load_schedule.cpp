#include "tests/bench/serving/load_schedule.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace espalier::load {

absl::StatusOr<std::vector<Phase>> parse_phases(const std::string& text) {
  std::vector<Phase> phases;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<std::string> words = absl::StrSplit(part, ':');
    Phase& phase = phases.emplace_back();
    if (words.size() != 2 || !absl::SimpleAtod(words[0], &phase.rate) ||
        !absl::SimpleAtod(words[1], &phase.seconds) || !(phase.rate > 0) || !(phase.seconds > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--phases: \"", part, "\" is not RATE:SECONDS, e.g. 300:10"));
    }
  }
  return phases;
}

Arrivals::Arrivals(std::vector<Phase> phases, uint64_t seed)
    : phases_(std::move(phases)), random_(seed) {
  if (!phases_.empty()) phase_end_ = phases_[0].seconds;
}

std::optional<Arrival> Arrivals::next() {
  while (phase_ < phases_.size()) {
    // A gap that reaches over the end of its phase is drawn again from there: waiting times of
    // this kind do not remember how long they have lasted.
    const double at = now_ - std::log1p(-random_.uniform()) / phases_[phase_].rate;
    if (at < phase_end_) {
      now_ = at;
      return Arrival{at, phase_};
    }
    now_ = phase_end_;
    if (++phase_ < phases_.size()) phase_end_ += phases_[phase_].seconds;
  }
  return std::nullopt;
}

}  // namespace espalier::load
