#include "server/control/sqlite/schema.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"

namespace espalier::server::sqlite {
namespace {

// `project` leads every key. Bodies are serialised messages of espalier.v1; what a query selects
// by, or what changes, is a column of its own. `seq` comes from one counter: it orders lists.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE counter (value INTEGER NOT NULL);
INSERT INTO counter VALUES (0);

CREATE TABLE resources (
  project TEXT NOT NULL, kind INTEGER NOT NULL, id TEXT NOT NULL,
  seq INTEGER NOT NULL, state INTEGER NOT NULL, body BLOB NOT NULL, create_ms INTEGER NOT NULL,
  PRIMARY KEY (project, kind, id)) WITHOUT ROWID;
CREATE INDEX resources_by_seq ON resources (project, kind, seq);

CREATE TABLE resource_files (
  project TEXT NOT NULL, kind INTEGER NOT NULL, id TEXT NOT NULL, path TEXT NOT NULL,
  size INTEGER NOT NULL, sha256 TEXT NOT NULL, upload TEXT NOT NULL,
  PRIMARY KEY (project, kind, id, path)) WITHOUT ROWID;
CREATE INDEX resource_files_by_hash ON resource_files (project, sha256);

CREATE TABLE uploads (
  project TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, resource TEXT NOT NULL,
  path TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, finalized INTEGER NOT NULL,
  PRIMARY KEY (project, id)) WITHOUT ROWID;

CREATE TABLE blobs (
  project TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, touch_ms INTEGER NOT NULL,
  PRIMARY KEY (project, sha256)) WITHOUT ROWID;

CREATE TABLE requests (
  project TEXT NOT NULL, collection TEXT NOT NULL, request TEXT NOT NULL,
  fingerprint TEXT NOT NULL, id TEXT NOT NULL, create_ms INTEGER NOT NULL,
  PRIMARY KEY (project, collection, request)) WITHOUT ROWID;

CREATE TABLE jobs (
  project TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
  spec BLOB NOT NULL, model TEXT NOT NULL, dataset TEXT NOT NULL, artifact TEXT NOT NULL,
  method TEXT NOT NULL, priority INTEGER NOT NULL, create_ms INTEGER NOT NULL,
  state INTEGER NOT NULL, state_reason TEXT NOT NULL DEFAULT '', failure BLOB NOT NULL DEFAULT '',
  attempt INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0,
  worker TEXT NOT NULL DEFAULT '', expires_ms INTEGER NOT NULL DEFAULT 0,
  not_before_ms INTEGER NOT NULL DEFAULT 0,
  start_ms INTEGER NOT NULL DEFAULT 0, end_ms INTEGER NOT NULL DEFAULT 0,
  event_seq INTEGER NOT NULL DEFAULT 0,
  checkpoint_class TEXT NOT NULL DEFAULT '', checkpoint_format INTEGER NOT NULL DEFAULT 0,
  worker_format INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project, id)) WITHOUT ROWID;
CREATE INDEX jobs_by_seq ON jobs (project, seq);
CREATE INDEX jobs_to_run ON jobs (state, priority DESC, seq);

CREATE TABLE job_after (
  project TEXT NOT NULL, job TEXT NOT NULL, after TEXT NOT NULL,
  PRIMARY KEY (project, after, job)) WITHOUT ROWID;

CREATE TABLE job_events (
  project TEXT NOT NULL, job TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (project, job, seq)) WITHOUT ROWID;

CREATE TABLE job_progress (
  project TEXT NOT NULL, job TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (project, job)) WITHOUT ROWID;

CREATE TABLE checkpoint_files (
  project TEXT NOT NULL, job TEXT NOT NULL, path TEXT NOT NULL,
  size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  PRIMARY KEY (project, job, path)) WITHOUT ROWID;
CREATE INDEX checkpoint_files_by_hash ON checkpoint_files (project, sha256);

CREATE TABLE artifacts (
  project TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, job TEXT NOT NULL,
  fence INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (project, id)) WITHOUT ROWID;
CREATE INDEX artifacts_by_seq ON artifacts (project, seq);
CREATE INDEX artifacts_by_job ON artifacts (project, job, seq);

CREATE TABLE artifact_files (
  project TEXT NOT NULL, artifact TEXT NOT NULL, path TEXT NOT NULL,
  size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  PRIMARY KEY (project, artifact, path)) WITHOUT ROWID;
CREATE INDEX artifact_files_by_hash ON artifact_files (project, sha256);

CREATE TABLE endpoints (
  project TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (project, id)) WITHOUT ROWID;
CREATE INDEX endpoints_by_seq ON endpoints (project, seq);

CREATE TABLE endpoint_routes (
  project TEXT NOT NULL, endpoint TEXT NOT NULL, artifact TEXT NOT NULL,
  PRIMARY KEY (project, artifact, endpoint)) WITHOUT ROWID;
)sql";

// What a job waits for, found by the job.
constexpr const char* kVersion2 =
    "CREATE INDEX IF NOT EXISTS job_after_by_job ON job_after (project, job)";

// Models that teach in a job, beside the one that it makes smaller.
constexpr const char* kVersion3 = R"sql(
CREATE TABLE IF NOT EXISTS job_teachers (
  project TEXT NOT NULL, job TEXT NOT NULL, model TEXT NOT NULL,
  PRIMARY KEY (project, model, job)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS job_teachers_by_job ON job_teachers (project, job);
)sql";

constexpr std::array kVersions{kVersion1, kVersion2, kVersion3};

int64_t version_of(Database& db) {
  auto rows = db.query("SELECT version FROM schema_version");
  return rows.step() ? rows.integer(0) : 0;
}

}  // namespace

void migrate(Database& db) {
  db.script("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
  const int64_t found = version_of(db);
  const int64_t known = kVersions.size();
  if (found > known) {
    throw StatusError(absl::FailedPreconditionError(
        absl::StrCat("the database has schema version ", found, ", this espalierd knows up to ",
                     known, "; run the newer espalierd that wrote it")));
  }
  for (int64_t version = found; version < known; ++version) {
    Transaction transaction(db);
    db.script(kVersions[version]);
    db.run("DELETE FROM schema_version");
    db.run("INSERT INTO schema_version VALUES (?)", version + 1);
    transaction.commit();
  }
}

}  // namespace espalier::server::sqlite
