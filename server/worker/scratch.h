// The worker's folder:
//
//   lock          held while a worker runs: one worker a folder
//   worker-id     who we are; a worker that is started again gets its own job back at once
//   blobs/        the blob cache          jobs/   folders of running jobs, emptied at the start
//   examples/     encoded data sets, at most 4 GiB (core/data/example_cache.h)
//   tmp/          what a job does not hold in memory (server/common/temporary_folder.h)
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::server {

class Scratch {
 public:
  // FAILED_PRECONDITION when another worker uses the folder.
  static absl::StatusOr<std::unique_ptr<Scratch>> open(const std::string& folder);
  ~Scratch();

  const std::string& worker_id() const { return worker_id_; }
  std::string blobs() const { return folder_ + "/blobs"; }
  std::string jobs() const { return folder_ + "/jobs"; }
  std::string examples() const { return folder_ + "/examples"; }  // made by the first job

 private:
  Scratch() = default;
  std::string folder_, worker_id_;
  int lock_ = -1;
};

}  // namespace espalier::server
