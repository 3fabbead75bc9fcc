#include "core/data/carve.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "core/base/random.h"

namespace espalier {
namespace {

constexpr uint64_t kCarveSeed = 1;

// Rows that may not be parted, in the order of their first ones.
std::vector<std::vector<int64_t>> groups_of(const Rows& rows) {
  const bool by_context = !rows.answers.empty();
  std::unordered_map<std::string_view, size_t> group_of;
  std::vector<std::vector<int64_t>> out;
  for (int64_t row = 0; row < rows.size(); ++row) {
    size_t group = out.size();
    if (by_context) group = group_of.emplace(text_of(rows.pair, row), group).first->second;
    if (group == out.size()) out.emplace_back();
    out[group].push_back(row);
  }
  return out;
}

}  // namespace

Carved carve_tenths(const Rows& train, int parts) {
  const std::vector<std::vector<int64_t>> groups = groups_of(train);
  const std::vector<int64_t> order = permutation(static_cast<int64_t>(groups.size()),
                                                 derive_seed(kCarveSeed, "data", 0, 0, "carve"));
  const auto tenth = static_cast<size_t>(train.size() / 10);
  Carved out;
  auto next = order.begin();
  const auto take = [&](std::vector<int64_t>& rows) {
    const std::vector<int64_t>& group = groups[static_cast<size_t>(*next++)];
    rows.insert(rows.end(), group.begin(), group.end());
  };
  for (int part = 0; part < parts; ++part) {
    std::vector<int64_t>& rows = out.parts.emplace_back();
    while (rows.size() < tenth && next != order.end()) take(rows);
  }
  while (next != order.end()) take(out.rest);
  std::sort(out.rest.begin(), out.rest.end());
  return out;
}

}  // namespace espalier
