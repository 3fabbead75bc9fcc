// A watched job on the screen. The lines are pure functions of the events, times included: ETA and
// elapsed time come from the events' own clock, so a watch that was resumed shows the same.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "espalier/v1/job.pb.h"

namespace espalier::cli {

// Where the phase that is shown began.
struct PhaseStart {
  std::string phase;
  absl::Time time;
  uint32_t step = 0;
};

// "[2/6] prune      ██████░░░░░░░░░░  120/340  35 %  0:42, 1:17 left  loss 0.412  accuracy 0.88",
// cut to `width` characters.
std::string bar_line(const v1::JobEvent& event, const PhaseStart& start, size_t width);
// "03:41:12  RUNNING  prune 2/6  step 120/340  loss 0.412  accuracy 0.88": a whole event on a line.
std::string plain_line(const v1::JobEvent& event, absl::TimeZone zone);
// The full blocks of a bar of `width` characters.
std::string bar(double share, size_t width);
// "loss 0.412  accuracy 0.88  312 examples/s", the well-known ones first.
std::string metrics_text(const v1::Progress& progress);
absl::Time time_of(const v1::JobEvent& event);

class ProgressView {
 public:
  // `terminal`: redraw a bar in place and keep one line a phase; otherwise one line an event.
  ProgressView(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}
  void show(const v1::JobEvent& event);
  // Ends the line that is being redrawn.
  void finish();

 private:
  std::ostream& out_;
  bool terminal_, drawn_ = false;
  std::optional<PhaseStart> start_;
};

}  // namespace espalier::cli
