// When requests are due.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/random.h"

namespace espalier::load {

// Rate is requests a second; 0 in a closed loop, where an answer brings the next request.
struct Phase {
  double rate = 0;
  double seconds = 0;
};

// "300:10,1800:20,300:10" is RATE:SECONDS of every phase.
absl::StatusOr<std::vector<Phase>> parse_phases(const std::string& text);

struct Arrival {
  double at = 0;  // seconds from the start of the first phase
  size_t phase = 0;
};

// Arrivals of independent clients (Poisson), the same for the same seed.
class Arrivals {
 public:
  Arrivals(std::vector<Phase> phases, uint64_t seed);
  std::optional<Arrival> next();

 private:
  const std::vector<Phase> phases_;
  Random random_;
  size_t phase_ = 0;
  double now_ = 0, phase_end_ = 0;
};

}  // namespace espalier::load
