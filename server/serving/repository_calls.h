// What RepositoryModelLoad and RepositoryModelUnload ask for, in the two forms of their messages.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

using RepositoryParameters =
    google::protobuf::Map<std::string, inference::ModelRepositoryParameter>;

// The model's name. KServe's clients send it as field 1, where Triton's have the repository's, and
// nothing as field 2. UNIMPLEMENTED for a repository, as there is one without a name;
// INVALID_ARGUMENT without any name.
absl::StatusOr<std::string> model_to_change(const std::string& repository_name,
                                            const std::string& model_name);

// Loading takes no parameters: UNIMPLEMENTED for Triton's `config` and `file:...`, INVALID_ARGUMENT
// for all others.
absl::Status check_load_parameters(const RepositoryParameters& parameters);
// Triton's clients always send `unload_dependents`, a bool; no model depends on another here.
absl::Status check_unload_parameters(const RepositoryParameters& parameters);

}  // namespace espalier::server
