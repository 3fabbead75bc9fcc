#include "server/control/sqlite/database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server::sqlite {
namespace {

[[noreturn]] void fail(sqlite3* handle, const std::string& doing) {
  const int code = sqlite3_errcode(handle);
  const std::string message =
      absl::StrCat("the database failed at ", doing, ": ", sqlite3_errmsg(handle));
  if (code == SQLITE_FULL) throw StatusError(absl::ResourceExhaustedError(message));
  if (code == SQLITE_BUSY) throw StatusError(absl::UnavailableError(message));
  throw StatusError(absl::InternalError(message));
}

absl::StatusOr<int> lock_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  }
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  ::close(file);
  return with_reason(absl::FailedPreconditionError(
                         absl::StrCat("the data folder is in use: another espalierd holds ", path,
                                      "; stop it, or choose another folder with --data")),
                     "DATA_FOLDER_LOCKED");
}

}  // namespace

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fail(sqlite3_db_handle(handle_.get()), sqlite3_sql(handle_.get()));
}

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr ? "" : std::string(static_cast<const char*>(bytes), size);
}

void Statement::bind(int place, int64_t value) { sqlite3_bind_int64(handle_.get(), place, value); }

// A null pointer would bind NULL instead of an empty value.
void Statement::bind(int place, std::string_view value) {
  sqlite3_bind_text64(handle_.get(), place, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Statement::bind_blob(int place, std::string_view value) {
  sqlite3_bind_blob64(handle_.get(), place, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT);
}

absl::StatusOr<std::unique_ptr<Database>> Database::open(const std::string& path, bool durable) {
  return guard("opening the database", [&]() -> absl::StatusOr<std::unique_ptr<Database>> {
    std::unique_ptr<Database> db(new Database);
    ESPALIER_ASSIGN_OR_RETURN(db->lock_, lock_file(path + ".lock"));
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path.c_str(), &db->handle_, flags, nullptr) != SQLITE_OK) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot open the database ", path, ": ", sqlite3_errmsg(db->handle_)));
    }
    sqlite3_busy_timeout(db->handle_, 10'000);
    db->script("PRAGMA journal_mode = WAL");
    db->script(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF");
    db->script("PRAGMA foreign_keys = ON");
    return db;
  });
}

Database::~Database() {
  sqlite3_close_v2(handle_);
  if (lock_ >= 0) ::close(lock_);
}

void Database::script(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_, sql);
}

sqlite3_stmt* Database::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) != SQLITE_OK) fail(handle_, sql);
  return statement;
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    db_.script("ROLLBACK");
  } catch (const StatusError&) {
    // SQLite rolled back by itself (disk full, I/O error); the cause is on its way already.
  }
}

void Transaction::commit() {
  db_.script("COMMIT");
  open_ = false;
}

}  // namespace espalier::server::sqlite
