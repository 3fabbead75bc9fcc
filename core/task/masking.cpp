#include "core/task/masking.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/random.h"

namespace espalier {
namespace {

constexpr double kAsked = 0.15, kBecomesMask = 0.8, kBecomesAnother = 0.1;

uint64_t seed_of_row(std::span<const int32_t> ids, uint64_t seed) {
  for (const int32_t id : ids) seed = Random(seed ^ static_cast<uint64_t>(id)).next();
  return seed;
}

// `count` of the places, rising.
std::vector<int32_t> choose(std::vector<int32_t> places, size_t count, Random& random) {
  for (size_t i = 0; i < count; ++i)
    std::swap(places[i], places[i + random.below(places.size() - i)]);
  places.resize(count);
  std::sort(places.begin(), places.end());
  return places;
}

// Ends, for it is asked only where the row holds a word.
int32_t any_word(const MaskVocabulary& vocabulary, Random& random) {
  for (;;) {
    const auto id = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary.size)));
    if (vocabulary.is_word(id)) return id;
  }
}

}  // namespace

bool MaskVocabulary::is_word(int32_t id) const {
  return id >= 0 && id < size && !std::binary_search(special.begin(), special.end(), id);
}

MaskVocabulary mask_vocabulary(const Tokenizer& tokenizer, int32_t words) {
  return {std::min(tokenizer.vocabulary(), words), tokenizer.specials().mask,
          tokenizer.special_ids()};
}

Masked draw_masks(std::span<const int32_t> ids, const MaskVocabulary& vocabulary, uint64_t seed) {
  Masked out;
  out.ids.assign(ids.begin(), ids.end());
  std::vector<int32_t> places;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (vocabulary.is_word(ids[i])) places.push_back(static_cast<int32_t>(i));
  }
  if (places.empty()) return out;
  const auto share = std::llround(kAsked * static_cast<double>(places.size()));
  Random random(seed_of_row(ids, seed));
  out.asked = choose(std::move(places), static_cast<size_t>(std::max(share, 1LL)), random);
  for (const int32_t place : out.asked) {
    int32_t& id = out.ids[static_cast<size_t>(place)];
    out.words.push_back(id);
    const double fate = random.uniform();
    if (fate < kBecomesMask) {
      id = vocabulary.mask;
    } else if (fate < kBecomesMask + kBecomesAnother) {
      id = any_word(vocabulary, random);
    }
  }
  return out;
}

}  // namespace espalier
