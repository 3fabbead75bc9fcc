// From a CreateJob request to a job with every default filled in.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "core/spec/catalogue.h"
#include "core/spec/tasks.h"
#include "espalier/v1/job.pb.h"

namespace espalier::server {

// Checks everything that needs no store; names the job and its artifact, resolves the recipe.
// `task`: of the job's data set, if that is there.
absl::StatusOr<espalier::v1::Job> new_job(const espalier::v1::CreateJobRequest& request,
                                          const Catalogue& catalogue,
                                          const std::optional<TaskKind>& task);

}  // namespace espalier::server
