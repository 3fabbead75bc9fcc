// Class weights of a data set, as a flag carries them and as people read them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "espalier/v1/dataset.pb.h"

namespace espalier::cli {

// "balanced", or "negative=1,positive=3". What the labels are and which weights they may have is
// the service's to say.
absl::StatusOr<v1::Dataset::ClassWeights> parse_class_weights(const std::string& text);
// "negative 1, positive 3".
std::string class_weights_text(const v1::Dataset::ClassWeights& weights);

}  // namespace espalier::cli
