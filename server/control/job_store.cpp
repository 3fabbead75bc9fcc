#include "server/control/job_store.h"

namespace espalier::server {

std::string collection_of(ResourceKind kind) {
  return kind == ResourceKind::kModel ? "models" : "datasets";
}

std::string state_name(ResourceState state) {
  switch (state) {
    case ResourceState::kUploading:
      return "UPLOADING";
    case ResourceState::kValidating:
      return "VALIDATING";
    case ResourceState::kReady:
      return "READY";
    case ResourceState::kInvalid:
      return "INVALID";
  }
  return "UNKNOWN";
}

}  // namespace espalier::server
