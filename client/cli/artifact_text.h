// Artifacts for people.
#pragma once

#include <string>

#include "espalier/v1/artifact.pb.h"

namespace espalier::cli {

// One with its files, and a table of many. The precision of the weights is the summary's; artifacts
// whose summary does not have it show none.
std::string artifact_text(const v1::Artifact& artifact);
std::string artifacts_text(const v1::ListArtifactsResponse& list);

}  // namespace espalier::cli
