// A row of `jobs`, between the files of SqliteJobStore.
#pragma once

#include "server/control/sqlite/sqlite_job_store.h"

namespace espalier::server {

struct SqliteJobStore::JobRow {
  Key key;
  int64_t seq = 0;
  espalier::v1::Job spec;  // what was submitted, resolved; none of the fields below
  int64_t create_ms = 0;
  JobState state = espalier::v1::Job::STATE_QUEUED;
  std::string state_reason, failure;
  int attempt = 0;
  uint64_t fence = 0;
  std::string worker;
  int64_t expires_ms = 0, not_before_ms = 0;  // steady
  int64_t start_ms = 0, end_ms = 0;           // wall
  int64_t event_seq = 0;
  std::string checkpoint_class;
  int checkpoint_format = 0;
  int worker_format = 0;  // checkpoint format of the worker that holds it
};

// The columns in the order that load_jobs reads.
#define ESPALIER_JOB_COLUMNS                                                                  \
  "project, id, seq, spec, create_ms, state, state_reason, failure, attempt, fence, worker, " \
  "expires_ms, "                                                                              \
  "not_before_ms, start_ms, end_ms, event_seq, checkpoint_class, checkpoint_format, "         \
  "worker_format "

inline constexpr char kLeaseExpired[] = "LEASE_EXPIRED";

}  // namespace espalier::server
