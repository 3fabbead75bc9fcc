#include "core/spec/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

// libarchive gives paths in the thread's character set, which by default knows no more than ASCII.
class Utf8Paths {
 public:
  Utf8Paths()
      : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(::uselocale(utf8_)) {}
  Utf8Paths(const Utf8Paths&) = delete;
  Utf8Paths& operator=(const Utf8Paths&) = delete;
  ~Utf8Paths() {
    ::uselocale(before_);
    if (utf8_ != nullptr) ::freelocale(utf8_);
  }

 private:
  locale_t utf8_, before_;
};

class Archive {
 public:
  Archive(const std::string& path, const ArchiveLimits& limits)
      : path_(path), limits_(limits), reader_(::archive_read_new(), ::archive_read_free) {}

  absl::Status open() {
    archive* reader = reader_.get();
    if (reader == nullptr) return absl::ResourceExhaustedError("no memory to read an archive");
    ::archive_read_support_filter_gzip(reader);
    ::archive_read_support_filter_xz(reader);
    ::archive_read_support_format_tar(reader);
    // By its list of contents at the end, so that one cut short is told from a whole one.
    ::archive_read_support_format_zip_seekable(reader);
    if (::archive_read_open_filename(reader, path_.c_str(), kChunk) == ARCHIVE_OK)
      return absl::OkStatus();
    return bad(absl::StrCat("is no .tar, .tar.gz, .tar.xz or .zip: ", why()));
  }

  // The next entry, or null behind the last.
  absl::StatusOr<archive_entry*> next() {
    archive_entry* entry = nullptr;
    const int result = ::archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) return nullptr;
    // A warning is about attributes that nobody reads here.
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return bad(why());
    if (++entries_ > limits_.entries)
      return bad(absl::StrCat("holds more than ", limits_.entries, " entries"));
    // Also of entries that nobody wants: they are unpacked to get past them.
    ESPALIER_RETURN_IF_ERROR(count(std::max<int64_t>(0, ::archive_entry_size(entry))));
    return entry;
  }

  absl::StatusOr<std::string> read(const std::string& name) {
    std::string bytes;
    std::vector<char> chunk(kChunk);
    while (true) {
      const auto got = ::archive_read_data(reader_.get(), chunk.data(), chunk.size());
      if (got < 0) return bad(absl::StrCat(name, ": ", why()));
      if (got == 0) return bytes;
      bytes.append(chunk.data(), static_cast<size_t>(got));
      if (bytes.size() <= limits_.file_bytes) continue;
      return bad(absl::StrCat(name, " has more than ", limits_.file_bytes, " bytes"));
    }
  }

  absl::Status bad(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", what));
  }

 private:
  static constexpr size_t kChunk = size_t{64} << 10;

  absl::Status count(uint64_t bytes) {
    if (bytes <= limits_.total_bytes && (bytes_ += bytes) <= limits_.total_bytes)
      return absl::OkStatus();
    return bad(absl::StrCat("unpacks to more than ", limits_.total_bytes, " bytes"));
  }

  std::string why() const {
    const char* text = ::archive_error_string(reader_.get());
    return text != nullptr ? text : "damaged";
  }

  std::string path_;
  ArchiveLimits limits_;
  std::unique_ptr<archive, int (*)(archive*)> reader_;
  uint64_t entries_ = 0, bytes_ = 0;
};

// Empty for an entry that is no file, or whose name cannot be told.
std::string file_name_of(archive_entry* entry) {
  const bool linked = ::archive_entry_hardlink(entry) != nullptr;
  const auto type = ::archive_entry_filetype(entry);
  if (type != AE_IFREG && type != AE_IFLNK && !linked) return "";
  const char* name = ::archive_entry_pathname(entry);
  return name != nullptr ? name : "";
}

bool is_link(archive_entry* entry) {
  return ::archive_entry_filetype(entry) == AE_IFLNK || ::archive_entry_hardlink(entry) != nullptr;
}

}  // namespace

absl::Status read_archive(
    const std::string& path, const ArchiveLimits& limits,
    const std::function<bool(const std::string& path)>& wanted,
    const std::function<absl::Status(const std::string& path, std::string bytes)>& take) {
  return guard("reading an archive", [&]() -> absl::Status {
    const Utf8Paths paths;
    Archive archive(path, limits);
    ESPALIER_RETURN_IF_ERROR(archive.open());
    while (true) {
      ESPALIER_ASSIGN_OR_RETURN(archive_entry * entry, archive.next());
      if (entry == nullptr) return absl::OkStatus();
      const std::string name = file_name_of(entry);
      if (name.empty() || !wanted(name)) continue;
      if (is_link(entry))
        return archive.bad(absl::StrCat(name, " is a link; pack the files themselves"));
      ESPALIER_ASSIGN_OR_RETURN(std::string bytes, archive.read(name));
      ESPALIER_RETURN_IF_ERROR(take(name, std::move(bytes)));
    }
  });
}

}  // namespace espalier
