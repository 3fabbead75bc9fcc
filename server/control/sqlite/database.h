// SQLite with RAII. Everything here throws StatusError; SqliteJobStore's guard turns it into a
// Status.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace espalier::server::sqlite {

// A prepared statement with its parameters bound.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle, &sqlite3_finalize) {}

  // Moves to the next row; false after the last one.
  bool step();
  int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  std::string text(int column) const;

  void bind(int place, int64_t value);
  void bind(int place, std::string_view value);
  // Serialised messages: bytes, not text.
  void bind_blob(int place, std::string_view value);

 private:
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> handle_;
};

// Marks a parameter as bytes.
struct Blob {
  std::string_view bytes;
};

class Database {
 public:
  // Opens or makes the file, in WAL mode with synchronous=FULL; `durable` false (tests) never
  // fsyncs. A lock file beside it keeps a second process out: FAILED_PRECONDITION names the folder.
  static absl::StatusOr<std::unique_ptr<Database>> open(const std::string& path, bool durable);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // auto rows = db.query("SELECT a FROM t WHERE b = ?", b); while (rows.step()) ...
  template <class... Args>
  Statement query(const char* sql, const Args&... args) {
    Statement statement(prepare(sql));
    int place = 0;
    (bind_one(statement, ++place, args), ...);
    return statement;
  }
  // Runs a statement without rows; returns the number of rows it changed.
  template <class... Args>
  int run(const char* sql, const Args&... args) {
    query(sql, args...).step();
    return sqlite3_changes(handle_);
  }
  // Several statements, none with parameters.
  void script(const char* sql);

 private:
  Database() = default;
  sqlite3_stmt* prepare(const char* sql);
  static void bind_one(Statement& s, int place, const Blob& value) {
    s.bind_blob(place, value.bytes);
  }
  template <class T>
  static void bind_one(Statement& s, int place, const T& value) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      s.bind(place, static_cast<int64_t>(value));
    } else {
      s.bind(place, std::string_view(value));
    }
  }

  sqlite3* handle_ = nullptr;
  int lock_ = -1;
};

// BEGIN IMMEDIATE; rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& db) : db_(db) { db_.script("BEGIN IMMEDIATE"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& db_;
  bool open_ = true;
};

}  // namespace espalier::server::sqlite
