// Uploads and the blobs a project has.
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/sqlite/sqlite_job_store.h"

namespace espalier::server {

absl::StatusOr<UploadRow> SqliteJobStore::upload(const Key& key) {
  return read("reading an upload", [&]() -> absl::StatusOr<UploadRow> {
    auto row = db_->query(
        "SELECT kind, resource, path, sha256, size, finalized FROM uploads WHERE project = ? AND "
        "id = ?",
        key.project, key.id);
    if (!row.step()) {
      return with_reason(
          absl::NotFoundError(absl::StrCat("there is no ", make_name(key, "uploads"),
                                           "; its model or data set may have been deleted")),
          "NOT_FOUND");
    }
    return UploadRow{
        key,         static_cast<ResourceKind>(row.integer(0)), row.text(1),        row.text(2),
        row.text(3), static_cast<uint64_t>(row.integer(4)),     row.integer(5) != 0};
  });
}

absl::StatusOr<std::optional<Resource>> SqliteJobStore::finish_upload(const Key& key) {
  return write("finishing an upload", [&]() -> absl::StatusOr<std::optional<Resource>> {
    auto row = db_->query(
        "SELECT kind, resource FROM uploads WHERE project = ? AND id = ? AND finalized = 0",
        key.project, key.id);
    if (!row.step()) return std::nullopt;
    const auto kind = static_cast<ResourceKind>(row.integer(0));
    const Key owner{key.project, row.text(1)};
    db_->run("UPDATE uploads SET finalized = 1 WHERE project = ? AND id = ?", key.project, key.id);
    db_->run(
        "UPDATE resource_files SET upload = '' WHERE project = ? AND kind = ? AND id = ? AND "
        "upload = ?",
        key.project, kind, owner.id, key.id);
    ESPALIER_ASSIGN_OR_RETURN(Resource resource, load_resource(kind, owner));
    for (const StoredFile& file : resource.files) {
      if (!file.upload.empty()) return std::nullopt;
    }
    resource.state = ResourceState::kValidating;
    db_->run("UPDATE resources SET state = ? WHERE project = ? AND kind = ? AND id = ?",
             resource.state, owner.project, kind, owner.id);
    return resource;
  });
}

absl::Status SqliteJobStore::add_blob(const std::string& project, const StoredFile& blob) {
  return write("recording a blob", [&] {
    db_->run(
        "INSERT INTO blobs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET touch_ms = "
        "excluded.touch_ms",
        project, blob.sha256, blob.size, clock_.wall_ms());
    return absl::OkStatus();
  });
}

absl::StatusOr<uint64_t> SqliteJobStore::blob_size(const std::string& project,
                                                   const std::string& sha256) {
  return read("looking for a blob", [&]() -> absl::StatusOr<uint64_t> {
    auto row =
        db_->query("SELECT size FROM blobs WHERE project = ? AND sha256 = ?", project, sha256);
    if (!row.step())
      return absl::NotFoundError(absl::StrCat("the project has no content ", sha256));
    return static_cast<uint64_t>(row.integer(0));
  });
}

bool SqliteJobStore::has_blob(const std::string& project, const StoredFile& file) {
  return db_
      ->query("SELECT 1 FROM blobs WHERE project = ? AND sha256 = ? AND size = ?", project,
              file.sha256, file.size)
      .step();
}

absl::Status SqliteJobStore::need_blobs(const std::string& project,
                                        const std::vector<StoredFile>& files) {
  for (const StoredFile& file : files) {
    if (has_blob(project, file)) continue;
    return with_reason(absl::FailedPreconditionError(
                           absl::StrCat("file ", file.path, " (", file.size, " bytes, sha256 ",
                                        file.sha256, ") has not been uploaded")),
                       "MISSING_BLOB");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<BlobRow>> SqliteJobStore::forget_blobs(int64_t before_ms) {
  return write("collecting blobs", [&]() -> absl::StatusOr<std::vector<BlobRow>> {
    std::vector<BlobRow> forgotten;
    db_->run("DELETE FROM requests WHERE create_ms < ?", before_ms);
    auto rows = db_->query(
        "DELETE FROM blobs WHERE touch_ms < ? "
        "AND NOT EXISTS (SELECT 1 FROM resource_files f WHERE f.project = blobs.project "
        "                AND f.sha256 = blobs.sha256) "
        "AND NOT EXISTS (SELECT 1 FROM checkpoint_files f WHERE f.project = blobs.project "
        "                AND f.sha256 = blobs.sha256) "
        "AND NOT EXISTS (SELECT 1 FROM artifact_files f WHERE f.project = blobs.project "
        "                AND f.sha256 = blobs.sha256) "
        "RETURNING project, sha256",
        before_ms);
    while (rows.step()) forgotten.push_back({rows.text(0), rows.text(1)});
    return forgotten;
  });
}

}  // namespace espalier::server
