#include "core/job/progress.h"

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"

namespace espalier {

void Reporter::begin_phase(const std::string& name, int index, const std::string& word) {
  now_ = {};
  now_.phase = name;
  now_.phase_index = index;
  now_.phases = phases_;
  now_.phase_change = true;
  now_.message = word;
  phase_start_ = Clock::now();
  first_ = true;
  if (hooks_.progress) hooks_.progress(now_);
  now_.phase_change = false;
  now_.message.clear();
  sent_ = Clock::now();
}

void Reporter::step(int64_t step, int64_t steps, const std::map<std::string, double>& metrics) {
  now_.step = step;
  now_.steps = steps;
  now_.metrics = metrics;
  if (hooks_.cancelled && hooks_.cancelled()) {
    throw StatusError(
        absl::CancelledError(absl::StrCat("cancelled at step ", step, " of phase ", now_.phase)));
  }
  auto examples = metrics.find("examples");
  auto now = Clock::now();
  if (examples != metrics.end()) {
    if (first_) {  // a resumed phase does not start at 0
      examples_before_ = examples->second;
      phase_start_ = now;
      first_ = false;
    }
    double seconds = std::chrono::duration<double>(now - phase_start_).count();
    if (seconds > 0.5)
      now_.metrics["examples_per_second"] = (examples->second - examples_before_) / seconds;
  }
  if (now - sent_ < std::chrono::seconds(1) && step != steps) return;
  sent_ = now;
  if (hooks_.progress) hooks_.progress(now_);
}

}  // namespace espalier
