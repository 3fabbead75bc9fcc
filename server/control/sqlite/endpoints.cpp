// What inference servers shall serve.
#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/sqlite/sqlite_job_store.h"

namespace espalier::server {

using espalier::v1::Endpoint;
using google::protobuf::util::TimeUtil;

namespace {

// Whether the project's endpoints are still few and small enough with this one.
absl::Status check_room(sqlite::Database& db, const Key& key, const Endpoint& endpoint) {
  auto others = db.query(
      "SELECT count(*), coalesce(sum(length(body)), 0) FROM endpoints "
      "WHERE project = ? AND id <> ?",
      key.project, key.id);
  others.step();
  if (others.integer(0) >= kMostEndpoints) {
    return with_reason(absl::ResourceExhaustedError(absl::StrCat(
                           "the project has ", others.integer(0), " endpoints, and no more than ",
                           kMostEndpoints, " are allowed; delete one first")),
                       "TOO_MANY");
  }
  const int64_t bytes = others.integer(1) + static_cast<int64_t>(endpoint.ByteSizeLong());
  if (bytes <= kMostEndpointBytes) return absl::OkStatus();
  return with_reason(absl::ResourceExhaustedError(absl::StrCat(
                         "the project's endpoints would take ", bytes, " bytes, and no more than ",
                         kMostEndpointBytes,
                         " can be sent to inference servers at once; delete an endpoint, or "
                         "take routes away first")),
                     "TOO_LARGE", "endpoint.routes");
}

}  // namespace

absl::StatusOr<Endpoint> SqliteJobStore::set_endpoint(Endpoint endpoint, bool check_only) {
  return write("setting an endpoint", [&]() -> absl::StatusOr<Endpoint> {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(endpoint.name(), "endpoints"));
    for (auto& route : *endpoint.mutable_routes()) {
      ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(route.artifact(), "artifacts"));
      auto row = db_->query("SELECT body FROM artifacts WHERE project = ? AND id = ?", key.project,
                            key.id);
      if (!row.step()) {
        return no_such(key, "artifacts", "endpoint.routes.artifact");
      }
      espalier::v1::Artifact artifact;
      artifact.ParseFromString(row.text(0));
      route.set_manifest_sha256(artifact.manifest_sha256());
    }
    ESPALIER_RETURN_IF_ERROR(check_room(*db_, key, endpoint));
    *endpoint.mutable_update_time() = TimeUtil::MillisecondsToTimestamp(clock_.wall_ms());
    if (check_only) return endpoint;
    // From the common counter, so that it grows even when the endpoint is deleted and made again.
    const int64_t generation = next_seq();
    endpoint.set_generation(generation);
    db_->run("DELETE FROM endpoint_routes WHERE project = ? AND endpoint = ?", key.project, key.id);
    for (const auto& route : endpoint.routes()) {
      ESPALIER_ASSIGN_OR_RETURN(const Key artifact, parse_name(route.artifact(), "artifacts"));
      db_->run("INSERT OR IGNORE INTO endpoint_routes VALUES (?, ?, ?)", key.project, key.id,
               artifact.id);
    }
    db_->run(
        "INSERT INTO endpoints VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
        key.project, key.id, generation, sqlite::Blob{endpoint.SerializeAsString()});
    return endpoint;
  });
}

absl::StatusOr<Endpoint> SqliteJobStore::endpoint(const Key& key) {
  return read("reading an endpoint", [&]() -> absl::StatusOr<Endpoint> {
    auto row =
        db_->query("SELECT body FROM endpoints WHERE project = ? AND id = ?", key.project, key.id);
    if (!row.step()) return no_such(key, "endpoints");
    Endpoint endpoint;
    endpoint.ParseFromString(row.text(0));
    return endpoint;
  });
}

absl::StatusOr<Page<Endpoint>> SqliteJobStore::endpoints(const PageQuery& query) {
  return read("listing endpoints", [&]() -> absl::StatusOr<Page<Endpoint>> {
    Page<Endpoint> page;
    auto rows = db_->query(
        "SELECT body, seq FROM endpoints WHERE project = ?1 AND (?2 = 0 OR seq < ?2) "
        "ORDER BY seq DESC LIMIT ?3",
        query.project, query.after, query.rows + 1);
    int64_t last = 0;
    while (rows.step()) {
      if (static_cast<int>(page.rows.size()) == query.rows) {
        page.next = last;
        break;
      }
      page.rows.emplace_back().ParseFromString(rows.text(0));
      last = rows.integer(1);
    }
    return page;
  });
}

absl::Status SqliteJobStore::delete_endpoint(const Key& key) {
  return write("deleting an endpoint", [&]() -> absl::Status {
    if (db_->run("DELETE FROM endpoints WHERE project = ? AND id = ?", key.project, key.id) == 0) {
      return no_such(key, "endpoints");
    }
    db_->run("DELETE FROM endpoint_routes WHERE project = ? AND endpoint = ?", key.project, key.id);
    return absl::OkStatus();
  });
}

}  // namespace espalier::server
