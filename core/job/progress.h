// One job's conversation with whoever runs it: progress at most about every second, cancel,
// preemption.
#pragma once

#include <chrono>
#include <utility>

#include "core/job/compress.h"

namespace espalier {

class Reporter {
 public:
  Reporter(const JobHooks& hooks, int phases) : hooks_(hooks), phases_(phases) {}
  // `word` goes with the change of phase alone.
  void begin_phase(const std::string& name, int index, const std::string& word = "");
  // Throws StatusError CANCELLED when the user wants the job stopped.
  void step(int64_t step, int64_t steps, const std::map<std::string, double>& metrics);
  // A word about the phase that has begun, which goes with its progress from now on.
  void say(std::string message) { now_.message = std::move(message); }
  bool preempted() const { return hooks_.preempted && hooks_.preempted(); }
  const std::string& phase() const { return now_.phase; }
  int64_t at_step() const { return now_.step; }

 private:
  using Clock = std::chrono::steady_clock;
  const JobHooks& hooks_;
  int phases_;
  JobProgress now_;
  Clock::time_point sent_{};
  Clock::time_point phase_start_{};
  double examples_before_ = 0;
  bool first_ = true;
};

}  // namespace espalier
