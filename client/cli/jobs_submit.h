// The flags of `jobs submit` on a command of CLI11.
#pragma once

#include "client/cli/app.h"
#include "client/cli/job_document.h"

namespace espalier::cli {

void add_job_flags(CLI::App& command, JobFlags& flags);

}  // namespace espalier::cli
