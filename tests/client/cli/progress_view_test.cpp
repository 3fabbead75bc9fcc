#include "client/cli/progress_view.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

#include "client/cli/table.h"

namespace espalier::cli {
namespace {

v1::JobEvent event(int64_t seconds, uint32_t step, const std::string& kind = "progress") {
  v1::JobEvent event;
  event.mutable_time()->set_seconds(seconds);
  event.set_state(v1::Job::STATE_RUNNING);
  event.set_kind(kind);
  auto& at = *event.mutable_progress();
  at.set_phase("prune");
  at.set_phase_index(2);
  at.set_phases(6);
  at.set_step(step);
  at.set_steps(200);
  (*at.mutable_metrics())["loss"] = 0.41234;
  (*at.mutable_metrics())["examples_per_second"] = 311.7;
  return event;
}

long count(const std::ostringstream& out, char wanted) {
  const std::string text = out.str();
  return std::count(text.begin(), text.end(), wanted);
}

TEST(Bar, FillsWithItsShare) {
  EXPECT_EQ(bar(0, 4), "░░░░");
  EXPECT_EQ(bar(0.5, 4), "██░░");
  EXPECT_EQ(bar(7, 4), "████");
}

TEST(BarLine, TellsStepMetricsElapsedAndWhatIsLeft) {
  EXPECT_EQ(bar_line(event(60, 50), {"prune", absl::FromUnixSeconds(0), 0}, 200),
            "[2/6] prune      █████░░░░░░░░░░░░░░░  50/200  25 %  1:00, 3:00 left  "
            "loss 0.4123  312 examples/s");
}

TEST(BarLine, CountsOnlyTheStepsItSawWhenItEstimates) {
  EXPECT_THAT(bar_line(event(60, 150), {"prune", absl::FromUnixSeconds(0), 100}, 200),
              ::testing::HasSubstr("1:00 left"));
}

TEST(BarLine, IsCutToTheTerminalByCharacters) {
  EXPECT_EQ(width_of(bar_line(event(60, 50), {"prune", absl::FromUnixSeconds(0), 0}, 30)), 30u);
}

TEST(PlainLine, HoldsAWholeEvent) {
  EXPECT_EQ(plain_line(event(3661, 50), absl::UTCTimeZone()),
            "01:01:01  RUNNING  prune 2/6  step 50/200  loss 0.4123  312 examples/s");
  v1::JobEvent queued;
  queued.set_state(v1::Job::STATE_QUEUED);
  queued.set_kind("queued");
  queued.set_message("waits for a worker");
  EXPECT_EQ(plain_line(queued, absl::UTCTimeZone()), "00:00:00  QUEUED  waits for a worker");
}

TEST(ProgressView, WritesOneLineAnEventIntoAPipe) {
  std::ostringstream out;
  ProgressView view(out, false);
  view.show(event(1, 1));
  view.show(event(2, 2));
  view.finish();
  EXPECT_EQ(count(out, '\n'), 2);
  EXPECT_EQ(out.str().find('\r'), std::string::npos);
}

TEST(ProgressView, RedrawsOneLineAPhaseOnATerminal) {
  std::ostringstream out;
  ProgressView view(out, true);
  for (uint32_t step : {1, 2, 3}) view.show(event(step, step));
  view.finish();
  EXPECT_EQ(count(out, '\n'), 1);
  EXPECT_EQ(count(out, '\r'), 3);
}

TEST(ProgressView, KeepsWhatAPhaseSaysAsItBegins) {
  std::ostringstream out;
  ProgressView view(out, true);
  auto begins = event(1, 0, "phase");
  begins.mutable_progress()->set_message("a fresh head is trained");
  view.show(begins);
  view.show(event(2, 1));
  EXPECT_THAT(out.str(), ::testing::ContainsRegex("a fresh head is trained\n\r"));
}

TEST(ProgressView, StartsANewLineWhenAWorkerWentBackToItsCheckpoint) {
  std::ostringstream out;
  ProgressView view(out, true);
  view.show(event(1, 50));
  view.show(event(2, 40));
  EXPECT_EQ(count(out, '\n'), 1);
}

}  // namespace
}  // namespace espalier::cli
