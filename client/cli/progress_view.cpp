#include "client/cli/progress_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

namespace espalier::cli {
namespace {

constexpr size_t kBarWidth = 20;

size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

std::string metric_text(const std::string& name, double value) {
  if (name == "examples_per_second")
    return absl::StrCat(number_text(std::round(value)), " examples/s");
  return absl::StrCat(name, " ", number_text(value));
}

// The first `width` characters of UTF-8 text.
std::string cut(const std::string& text, size_t width) {
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) != 0x80 && characters++ == width) return text.substr(0, i);
  }
  return text;
}

}  // namespace

absl::Time time_of(const v1::JobEvent& event) {
  return absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
}

std::string bar(double share, size_t width) {
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  std::string text;
  for (size_t i = 0; i < width; ++i) text += i < full ? "█" : "░";
  return text;
}

std::string metrics_text(const v1::Progress& progress) {
  std::vector<std::string> parts;
  std::set<std::string> shown;
  auto add = [&](const std::string& name) {
    auto found = progress.metrics().find(name);
    if (found != progress.metrics().end() && shown.insert(name).second) {
      parts.push_back(metric_text(name, found->second));
    }
  };
  for (const char* known : {"loss", "accuracy", "select_metric", "sparsity", "examples_per_second"})
    add(known);
  std::set<std::string> rest;
  for (const auto& [name, value] : progress.metrics()) rest.insert(name);
  for (const auto& name : rest) add(name);
  std::string text;
  for (const auto& part : parts) absl::StrAppend(&text, text.empty() ? "" : "  ", part);
  return text;
}

std::string bar_line(const v1::JobEvent& event, const PhaseStart& start, size_t width) {
  const auto& at = event.progress();
  std::string line = absl::StrFormat("[%d/%d] %-10s ", at.phase_index(), at.phases(), at.phase());
  const double elapsed = absl::ToDoubleSeconds(time_of(event) - start.time);
  if (at.steps() > 0) {
    const double share = static_cast<double>(at.step()) / at.steps();
    absl::StrAppend(&line, bar(share, kBarWidth), "  ", at.step(), "/", at.steps(), "  ",
                    static_cast<int>(100 * share), " %  ");
  }
  absl::StrAppend(&line, duration_text(elapsed));
  if (at.steps() > at.step() && at.step() > start.step && elapsed > 0) {
    const double left = elapsed * (at.steps() - at.step()) / (at.step() - start.step);
    absl::StrAppend(&line, ", ", duration_text(left), " left");
  }
  // Last, because there may be more of them than the terminal has room for.
  const std::string metrics = metrics_text(at);
  if (!metrics.empty()) absl::StrAppend(&line, "  ", metrics);
  if (at.steps() == 0 && !at.message().empty()) absl::StrAppend(&line, "  ", at.message());
  return cut(line, width);
}

std::string plain_line(const v1::JobEvent& event, absl::TimeZone zone) {
  std::string line = absl::StrCat(absl::FormatTime("%H:%M:%S", time_of(event), zone), "  ",
                                  state_text(v1::Job::State_Name(event.state())));
  const auto& at = event.progress();
  if (!at.phase().empty())
    absl::StrAppend(&line, "  ", at.phase(), " ", at.phase_index(), "/", at.phases());
  if (at.steps() > 0) absl::StrAppend(&line, "  step ", at.step(), "/", at.steps());
  const std::string metrics = metrics_text(at);
  if (!metrics.empty()) absl::StrAppend(&line, "  ", metrics);
  const std::string& message = event.message().empty() ? at.message() : event.message();
  if (!message.empty()) {
    absl::StrAppend(&line, "  ", message);
  } else if (at.phase().empty()) {  // else the phase says it
    absl::StrAppend(&line, "  ", event.kind());
  }
  return line;
}

void ProgressView::show(const v1::JobEvent& event) {
  const auto& at = event.progress();
  const bool stands = event.state() == v1::Job::STATE_RUNNING && !at.phase().empty();
  // What is said once, as a phase begins, must not be drawn over.
  const bool says = event.kind() == "phase" && !at.message().empty();
  if (!terminal_ || !stands || says || (event.kind() != "progress" && event.kind() != "phase")) {
    finish();
    out_ << plain_line(event, absl::LocalTimeZone()) << std::endl;
    if (!stands) start_.reset();
    return;
  }
  // A new phase, or the same one after a worker was lost and another went back to its checkpoint.
  if (!start_ || start_->phase != at.phase() || at.step() < start_->step) {
    finish();
    start_ = PhaseStart{at.phase(), time_of(event), at.step()};
  }
  drawn_ = true;
  out_ << "\r\033[K" << bar_line(event, *start_, terminal_width() - 1) << std::flush;
}

void ProgressView::finish() {
  if (drawn_) out_ << std::endl;
  drawn_ = false;
}

}  // namespace espalier::cli
