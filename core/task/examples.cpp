#include "core/task/examples.h"

#include <utility>

namespace espalier {

void Examples::add(const Sample& sample, std::vector<Features> windows) {
  const bool asks = !windows.empty() && !windows.front().places.empty();
  if (windows.empty()) ++left_out;
  for (Features& window : windows) {
    truncated += window.truncated ? 1 : 0;
    inputs.push_back(std::move(window.input));
    targets.add(window.target);
    if (!asks) continue;
    sample_of.push_back(static_cast<int64_t>(passages.size()));
    places.push_back(std::move(window.places));
  }
  if (asks)
    passages.push_back({std::string(sample.pair), {sample.answers.begin(), sample.answers.end()}});
}

}  // namespace espalier
