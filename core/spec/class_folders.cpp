#include "core/spec/class_folders.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/spec/bounded_files.h"
#include "core/spec/table.h"

namespace espalier {
namespace {

// "./train//cat/1.jpg" -> train, cat, 1.jpg
std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  parts.erase(std::remove(parts.begin(), parts.end(), "."), parts.end());
  return parts;
}

bool is_hidden(const std::string& part) { return part[0] == '.' || part == "__MACOSX"; }

bool ends_in_one_of(const std::string& name, const std::set<std::string>& extensions) {
  const size_t dot = name.rfind('.');
  return dot != std::string::npos &&
         extensions.count(absl::AsciiStrToLower(name.substr(dot + 1))) > 0;
}

constexpr size_t kMostTops = 10;

bool is_split_name(const std::string& folder) {
  static const std::set<std::string> kNames = {"train", "test", "val", "valid", "validation"};
  return kNames.count(absl::AsciiStrToLower(folder)) > 0;
}

// Tells which paths are images of the data set, and what their labels are.
class ClassPaths {
 public:
  ClassPaths(const std::string& path, const ClassPart& part)
      : path_(path), under_(parts_of(part.under)), labelled_(part.labelled) {}

  bool wanted(const std::string& path) {
    static const std::set<std::string> kPictures = {"jpg",  "jpeg", "png",  "gif",  "bmp",
                                                    "webp", "tif",  "tiff", "avif", "heic"};
    const std::vector<std::string> parts = parts_of(path);
    if (parts.empty() || std::any_of(parts.begin(), parts.end(), is_hidden)) return false;
    if (parts.size() > 1) add_top(parts[0]);
    return parts.size() > under_.size() &&
           std::equal(under_.begin(), under_.end(), parts.begin()) &&
           ends_in_one_of(parts.back(), kPictures);
  }

  absl::StatusOr<std::string> label(const std::string& path) {
    static const std::set<std::string> kRead = {"jpg", "jpeg", "png"};
    std::vector<std::string> parts = parts_of(path);
    if (!valid_utf8(path)) return bad("the path of a file is not UTF-8");
    if (!ends_in_one_of(parts.back(), kRead))
      return bad(absl::StrCat(path, " is no .jpg, .jpeg or .png; convert it or leave it out"));
    if (labelled_ && parts.size() == under_.size() + 1)
      return bad(absl::StrCat(path, " lies in no folder named by its class"));
    if (!seen_.insert(absl::StrJoin(parts, "/")).second)
      return bad(absl::StrCat(path, " is there twice"));
    if (!labelled_) return std::string();
    parts.pop_back();
    if (parts.size() > 1 || !is_split_name(parts[0])) all_are_splits_ = false;
    const std::string folder = absl::StrJoin(parts, "/");
    const auto [first, is_new] = folder_of_.emplace(parts.back(), folder);
    if (is_new || first->second == folder) return parts.back();
    return bad(absl::StrCat("class ", parts.back(), " has two folders, ", first->second, " and ",
                            folder, "; say below which folder this split lies"));
  }

  absl::Status check_found() const {
    if (seen_.empty()) {
      return bad(absl::StrCat(
          "holds no .jpg, .jpeg or .png",
          under_.empty() ? "" : " below " + absl::StrJoin(under_, "/"), "; folders at its top: ",
          tops_.empty() ? "none" : absl::StrJoin(tops_, ", "), has_more_tops_ ? ", ..." : ""));
    }
    if (!labelled_ || !all_are_splits_) return absl::OkStatus();
    const auto name = [](std::string* out, const auto& one) { out->append(one.first); };
    return bad(absl::StrCat("the only classes would be ", absl::StrJoin(folder_of_, ", ", name),
                            ", which are names of splits; put the files into folders named by "
                            "their classes, and say below which folder this split lies"));
  }

 private:
  absl::Status bad(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", what));
  }

  // For a message: the first by letters, however many there are.
  void add_top(const std::string& name) {
    tops_.insert(name);
    if (tops_.size() <= kMostTops) return;
    tops_.erase(std::prev(tops_.end()));
    has_more_tops_ = true;
  }

  std::string path_;
  std::vector<std::string> under_;
  bool labelled_;
  std::set<std::string> tops_, seen_;
  std::map<std::string, std::string> folder_of_;  // by class
  bool has_more_tops_ = false;
  bool all_are_splits_ = true;  // every file lies in a folder at the top with a split's name
};

absl::Status read_folder(const std::string& folder, const ArchiveLimits& limits,
                         const std::function<bool(const std::string&)>& wanted,
                         const std::function<absl::Status(const std::string&, std::string)>& take) {
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<std::string> files, list_files(folder));
  for (const std::string& file : files) {
    if (!wanted(file)) continue;
    ESPALIER_ASSIGN_OR_RETURN(std::string bytes,
                              read_bounded(absl::StrCat(folder, "/", file), limits.file_bytes));
    ESPALIER_RETURN_IF_ERROR(take(file, std::move(bytes)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status visit_class_folders(const std::string& path, const std::vector<ClassPart>& wants,
                                 const ArchiveLimits& limits,
                                 const std::function<absl::Status(size_t part, ClassFile)>& take) {
  std::vector<ClassPaths> parts;
  for (const ClassPart& part : wants) parts.emplace_back(path, part);
  size_t owner = 0;  // of the file that was wanted last
  const auto wanted = [&](const std::string& file) {
    bool any = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i].wanted(file)) continue;
      any = true;
      owner = i;
    }
    return any;
  };
  const auto labelled = [&](const std::string& file, std::string bytes) -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(std::string label, parts[owner].label(file));
    return take(owner, {absl::StrJoin(parts_of(file), "/"), std::move(label), std::move(bytes)});
  };
  std::error_code unreadable;  // which read_archive() tells
  ESPALIER_RETURN_IF_ERROR(std::filesystem::is_directory(path, unreadable)
                               ? read_folder(path, limits, wanted, labelled)
                               : read_archive(path, limits, wanted, labelled));
  for (const ClassPaths& part : parts) ESPALIER_RETURN_IF_ERROR(part.check_found());
  return absl::OkStatus();
}

absl::Status visit_class_folders(const ClassFolders& folders,
                                 const std::function<absl::Status(ClassFile)>& take) {
  return visit_class_folders(folders.path, {{folders.under, folders.labelled}}, folders.limits,
                             [&](size_t, ClassFile file) { return take(std::move(file)); });
}

absl::StatusOr<std::vector<ClassFile>> read_class_folders(const ClassFolders& folders) {
  std::vector<ClassFile> files;
  ESPALIER_RETURN_IF_ERROR(visit_class_folders(folders, [&](ClassFile file) {
    files.push_back(std::move(file));
    return absl::OkStatus();
  }));
  std::sort(files.begin(), files.end(),
            [](const ClassFile& a, const ClassFile& b) { return a.path < b.path; });
  return files;
}

bool is_archive_name(std::string_view path) {
  static const char* const kEndings[] = {".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".zip"};
  const std::string name = absl::AsciiStrToLower(std::string(path));
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](const char* ending) { return absl::EndsWith(name, ending); });
}

}  // namespace espalier
