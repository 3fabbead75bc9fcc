// The weights of a plain transformers folder.
#pragma once

#include "core/export/plain_shape.h"

namespace espalier {

// Writes model.safetensors with Hugging Face's names: what the artifact holds at its place in the
// full shape, zeros (and, for the norms of sub-layers that are not there, ones) elsewhere.
absl::Status write_plain_weights(const StoredArtifact& artifact, const PlainShape& shape,
                                 const std::string& path);

}  // namespace espalier
