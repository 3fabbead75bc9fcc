// From a CreateJob request to a job with every default filled in.
#pragma once

#include "absl/status/statusor.h"
#include "core/spec/catalogue.h"
#include "espalier/v1/job.pb.h"

namespace espalier::server {

// Checks everything that needs no store; names the job and its artifact, resolves the recipe.
absl::StatusOr<espalier::v1::Job> new_job(const espalier::v1::CreateJobRequest& request,
                                          const Catalogue& catalogue);

}  // namespace espalier::server
