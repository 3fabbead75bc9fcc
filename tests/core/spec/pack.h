// Archives for tests.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>

#include "core/spec/class_folders.h"
#include "tests/core/spec/scratch.h"

namespace espalier::testing {

// An archive in the making: Pack("a.tar.gz").file("cat/1.jpg", "bytes").folders()
class Pack {
 public:
  explicit Pack(const std::string& name) : path_(scratch_.path() + "/" + name) {
    writer_ = ::archive_write_new();
    if (name.find(".zip") != std::string::npos) {
      ::archive_write_set_format_zip(writer_);
    } else {
      ::archive_write_set_format_pax_restricted(writer_);
    }
    if (name.find(".gz") != std::string::npos) ::archive_write_add_filter_gzip(writer_);
    if (name.find(".xz") != std::string::npos) ::archive_write_add_filter_xz(writer_);
    EXPECT_EQ(::archive_write_open_filename(writer_, path_.c_str()), ARCHIVE_OK);
  }
  ~Pack() { close(); }

  Pack& file(const std::string& name, const std::string& bytes) {
    return entry(name, AE_IFREG, bytes, nullptr);
  }
  Pack& link(const std::string& name, const char* to) { return entry(name, AE_IFLNK, "", to); }
  Pack& folder(const std::string& name) { return entry(name, AE_IFDIR, "", nullptr); }

  // Finished, and where it is.
  ClassFolders folders(const std::string& under = "") {
    close();
    return {path_, under, {}};
  }

 private:
  Pack& entry(const std::string& name, unsigned type, const std::string& bytes, const char* to) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_copy_pathname(entry, name.c_str());
    ::archive_entry_set_filetype(entry, type);
    ::archive_entry_set_perm(entry, 0644);
    ::archive_entry_set_size(entry, static_cast<int64_t>(bytes.size()));
    if (to != nullptr) ::archive_entry_copy_symlink(entry, to);
    EXPECT_GE(::archive_write_header(writer_, entry), ARCHIVE_WARN);
    ::archive_write_data(writer_, bytes.data(), bytes.size());
    ::archive_entry_free(entry);
    return *this;
  }
  void close() {
    if (writer_ != nullptr) ::archive_write_free(writer_);
    writer_ = nullptr;
  }

  Scratch scratch_;
  std::string path_;
  archive* writer_ = nullptr;
};

}  // namespace espalier::testing
