// Which row of attention_bias.weight stands for a distance between two tokens.
#pragma once

#include <cstdint>

namespace espalier {

// `distance` is the key's position minus the query's. Buckets as in T5 (Raffel et al., JMLR 2020),
// bidirectional: half of them for keys behind the query's position, of each half the lower half
// exact, the rest logarithmic up to max_distance.
int64_t relative_bucket(int64_t distance, int64_t buckets, int64_t max_distance);

}  // namespace espalier
