#include "core/distill/layer_map.h"

#include <algorithm>

namespace espalier {

int uniform_state(int state, int student, int teacher) {
  if (state == 0) return 0;
  return std::max(1, (2 * state * teacher + student) / (2 * student));
}

std::vector<int> uniform_layers(int student, int teacher) {
  std::vector<int> out;
  for (int state = 1; state <= student; ++state)
    out.push_back(uniform_state(state, student, teacher) - 1);
  return out;
}

std::vector<int> pkd_skip_layers(int student, int teacher) {
  std::vector<int> out = uniform_layers(student, teacher);
  if (!out.empty()) out.pop_back();
  return out;
}

std::vector<int> pkd_last_layers(int student, int teacher) {
  std::vector<int> out;
  for (int i = 0; i + 1 < student; ++i) out.push_back(std::max(0, teacher - student + i));
  return out;
}

std::vector<int> spaced_layers(int layers) {
  constexpr int kMost = 4;
  return uniform_layers(std::min(kMost, layers), layers);
}

}  // namespace espalier
