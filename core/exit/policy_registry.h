// All that serving links of this folder: policies by the name that the artifact carries.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/exit_policy.h"

namespace espalier {

absl::StatusOr<std::unique_ptr<ExitPolicy>> make_exit_policy(const std::string& name);

}  // namespace espalier
