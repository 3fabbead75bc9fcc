// Models and data sets.
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/sqlite/sqlite_job_store.h"

namespace espalier::server {
namespace {

// About what it takes in an answer.
size_t bytes_of(const Resource& resource) {
  size_t bytes = resource.body.size();
  for (const StoredFile& file : resource.files) bytes += file.path.size() + 200;  // hash and upload
  return bytes;
}

}  // namespace

absl::StatusOr<Resource> SqliteJobStore::create_resource(Resource resource,
                                                         const Request& request) {
  return write("creating a resource", [&]() -> absl::StatusOr<Resource> {
    const auto& [project, id] = resource.key;
    const std::string collection = collection_of(resource.kind);
    ESPALIER_ASSIGN_OR_RETURN(auto known, repeated(project, collection, request));
    if (known) return load_resource(resource.kind, {project, *known});
    const auto there = load_resource(resource.kind, resource.key);
    // What was refused serves nobody: who has mended it need not delete it first.
    if (there.ok() && there->state == ResourceState::kInvalid) {
      erase_resource(resource.kind, resource.key);
    } else if (there.ok()) {
      return with_reason(absl::AlreadyExistsError(
                             absl::StrCat(make_name(resource.key, collection),
                                          " exists already; take another id or delete it first")),
                         "ALREADY_EXISTS");
    }
    resource.create_ms = clock_.wall_ms();
    resource.seq = next_seq();
    resource.state = ResourceState::kValidating;
    for (StoredFile& file : resource.files) {
      if (!has_blob(project, file)) {
        file.upload = random_id(24);
        resource.state = ResourceState::kUploading;
        db_->run("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", project, file.upload,
                 resource.kind, id, file.path, file.sha256, file.size);
      }
      db_->run("INSERT INTO resource_files VALUES (?, ?, ?, ?, ?, ?, ?)", project, resource.kind,
               id, file.path, file.size, file.sha256, file.upload);
    }
    db_->run("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?)", project, resource.kind, id,
             resource.seq, resource.state, sqlite::Blob{resource.body}, resource.create_ms);
    remember(resource.key, collection, request);
    return resource;
  });
}

absl::StatusOr<Resource> SqliteJobStore::load_resource(ResourceKind kind, const Key& key) {
  auto row = db_->query(
      "SELECT state, body, create_ms, seq FROM resources WHERE project = ? AND kind = ? AND id = ?",
      key.project, kind, key.id);
  if (!row.step()) return no_such(key, collection_of(kind));
  Resource resource{kind,          key, static_cast<ResourceState>(row.integer(0)),
                    row.text(1),   {},  row.integer(2),
                    row.integer(3)};
  auto files = db_->query(
      "SELECT path, size, sha256, upload FROM resource_files WHERE project = ? AND kind = ? AND id "
      "= ? "
      "ORDER BY path",
      key.project, kind, key.id);
  while (files.step()) {
    resource.files.push_back(
        {files.text(0), static_cast<uint64_t>(files.integer(1)), files.text(2), files.text(3)});
  }
  return resource;
}

absl::StatusOr<Resource> SqliteJobStore::resource(ResourceKind kind, const Key& key) {
  return read("reading a resource", [&] { return load_resource(kind, key); });
}

absl::StatusOr<Page<Resource>> SqliteJobStore::resources(ResourceKind kind,
                                                         const PageQuery& query) {
  return read("listing resources", [&]() -> absl::StatusOr<Page<Resource>> {
    Page<Resource> page;
    auto rows = db_->query(
        "SELECT id FROM resources WHERE project = ?1 AND kind = ?2 AND (?3 = 0 OR seq < ?3) "
        "ORDER BY seq DESC LIMIT ?4",
        query.project, kind, query.after, query.rows + 1);
    size_t bytes = 0;
    while (rows.step()) {
      ESPALIER_ASSIGN_OR_RETURN(Resource one, load_resource(kind, {query.project, rows.text(0)}));
      bytes += bytes_of(one);
      if (is_full(page, query, bytes)) {
        page.next = page.rows.back().seq;
        break;
      }
      page.rows.push_back(std::move(one));
    }
    return page;
  });
}

absl::Status SqliteJobStore::delete_resource(ResourceKind kind, const Key& key) {
  return write("deleting a resource", [&]() -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(load_resource(kind, key).status());
    auto user = db_->query(
        kind == ResourceKind::kModel
            ? "SELECT id FROM jobs WHERE project = ?1 AND end_ms = 0 AND (model = ?2 OR id IN "
              "(SELECT job FROM job_teachers WHERE project = ?1 AND model = ?2)) LIMIT 1"
            : "SELECT id FROM jobs WHERE project = ?1 AND dataset = ?2 AND end_ms = 0 LIMIT 1",
        key.project, make_name(key, collection_of(kind)));
    if (user.step()) {
      return with_reason(absl::FailedPreconditionError(
                             absl::StrCat(make_name(key, collection_of(kind)), " is used by job ",
                                          user.text(0), "; cancel it or wait for its end")),
                         "IN_USE");
    }
    erase_resource(kind, key);
    return absl::OkStatus();
  });
}

void SqliteJobStore::erase_resource(ResourceKind kind, const Key& key) {
  db_->run("DELETE FROM resources WHERE project = ? AND kind = ? AND id = ?", key.project, kind,
           key.id);
  db_->run("DELETE FROM resource_files WHERE project = ? AND kind = ? AND id = ?", key.project,
           kind, key.id);
  db_->run("DELETE FROM uploads WHERE project = ? AND kind = ? AND resource = ?", key.project, kind,
           key.id);
  forget(key, collection_of(kind));
}

absl::Status SqliteJobStore::settle_resource(const Resource& checked, ResourceState state,
                                             const std::string& body) {
  return write("settling a resource", [&]() -> absl::Status {
    const int changed = db_->run(
        "UPDATE resources SET state = ?, body = ? WHERE project = ? AND kind = ? AND id = ? AND "
        "state = ? AND seq = ?",
        state, sqlite::Blob{body}, checked.key.project, checked.kind, checked.key.id,
        ResourceState::kValidating, checked.seq);
    return changed == 1 ? absl::OkStatus() : no_such(checked.key, collection_of(checked.kind));
  });
}

absl::StatusOr<std::vector<Resource>> SqliteJobStore::resources_to_validate() {
  return read("listing resources to validate", [&]() -> absl::StatusOr<std::vector<Resource>> {
    std::vector<Resource> found;
    auto rows = db_->query("SELECT kind, project, id FROM resources WHERE state = ? ORDER BY seq",
                           ResourceState::kValidating);
    while (rows.step()) {
      ESPALIER_ASSIGN_OR_RETURN(
          Resource one,
          load_resource(static_cast<ResourceKind>(rows.integer(0)), {rows.text(1), rows.text(2)}));
      found.push_back(std::move(one));
    }
    return found;
  });
}

}  // namespace espalier::server
