#include "server/control/sqlite/sqlite_job_store.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/sqlite/schema.h"

namespace espalier::server {

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::open(const SqliteOptions& options,
                                                                     const Clock& clock) {
  std::unique_ptr<SqliteJobStore> store(new SqliteJobStore(options.rules, clock));
  ESPALIER_ASSIGN_OR_RETURN(store->db_, sqlite::Database::open(options.path, options.durable));
  ESPALIER_RETURN_IF_ERROR(guard("upgrading the database", [&] { sqlite::migrate(*store->db_); }));
  return store;
}

int64_t SqliteJobStore::next_seq() {
  auto rows = db_->query("UPDATE counter SET value = value + 1 RETURNING value");
  rows.step();
  const int64_t value = rows.integer(0);
  rows.step();
  return value;
}

absl::StatusOr<std::optional<std::string>> SqliteJobStore::repeated(const std::string& project,
                                                                    const std::string& collection,
                                                                    const Request& request) {
  if (request.id.empty()) return std::nullopt;
  auto rows = db_->query(
      "SELECT fingerprint, id FROM requests WHERE project = ? AND collection = ? AND request = ?",
      project, collection, request.id);
  if (!rows.step()) return std::nullopt;
  if (rows.text(0) == request.fingerprint) return rows.text(1);
  return with_reason(absl::InvalidArgumentError(absl::StrCat(
                         "request_id \"", request.id, "\" was used before, for ", collection, "/",
                         rows.text(1), ", with other content; take a new one")),
                     "REQUEST_ID_REUSED", "request_id");
}

void SqliteJobStore::remember(const Key& key, const std::string& collection,
                              const Request& request) {
  if (request.id.empty()) return;
  db_->run("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)", key.project, collection, request.id,
           request.fingerprint, key.id, clock_.wall_ms());
}

void SqliteJobStore::forget(const Key& key, const std::string& collection) {
  db_->run("DELETE FROM requests WHERE project = ? AND collection = ? AND id = ?", key.project,
           collection, key.id);
}

}  // namespace espalier::server
