#include "core/task/entity_metrics.h"

namespace espalier {
namespace {

struct Tag {
  char letter;
  std::string_view type;
};

Tag read_tag(std::string_view text) {
  if (text.empty() || std::string_view("BIES").find(text[0]) == text.npos) return {'O', "_"};
  std::string_view type = text.substr(1);
  if (const size_t dash = type.find('-'); dash != type.npos) type.remove_prefix(dash + 1);
  return {text[0], type.empty() ? "_" : type};
}

bool goes_on(const Tag& before, const Tag& now, EntityScheme scheme) {
  if (before.type != now.type) return false;
  if (scheme == EntityScheme::kStrictIob2) return now.letter == 'I';
  return (now.letter == 'I' || now.letter == 'E') && (before.letter == 'B' || before.letter == 'I');
}

bool begins(const Tag& now, EntityScheme scheme) {
  return scheme == EntityScheme::kStrictIob2 ? now.letter == 'B' : now.letter != 'O';
}

double entity_share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

std::vector<Entity> find_entities(std::span<const std::string_view> tags, EntityScheme scheme) {
  std::vector<Entity> out;
  Tag before{'O', ""};
  bool inside = false;
  for (size_t i = 0; i < tags.size(); ++i) {
    const Tag now = read_tag(tags[i]);
    const auto at = static_cast<int64_t>(i);
    if (inside && goes_on(before, now, scheme)) {
      out.back().end = at + 1;
    } else if ((inside = begins(now, scheme))) {
      out.push_back({now.type, at, at + 1});
    }
    before = now;
  }
  return out;
}

EntityCounts& EntityCounts::operator+=(const EntityCounts& other) {
  truth += other.truth;
  predicted += other.predicted;
  both += other.both;
  return *this;
}

EntityCounts count_entities(std::span<const std::string_view> truth,
                            std::span<const std::string_view> predicted, EntityScheme scheme) {
  const auto is = find_entities(truth, scheme), said = find_entities(predicted, scheme);
  EntityCounts out{static_cast<int64_t>(is.size()), static_cast<int64_t>(said.size()), 0};
  // Entities never overlap, so one begins at one place.
  for (size_t i = 0, s = 0; i < is.size() && s < said.size();) {
    out.both += is[i] == said[s];
    const int64_t first = is[i].begin, second = said[s].begin;
    i += first <= second;
    s += second <= first;
  }
  return out;
}

double entity_precision(const EntityCounts& counts) {
  return entity_share(counts.both, counts.predicted);
}
double entity_recall(const EntityCounts& counts) { return entity_share(counts.both, counts.truth); }
double entity_f1(const EntityCounts& counts) {
  return entity_share(2 * counts.both, counts.truth + counts.predicted);
}

}  // namespace espalier
