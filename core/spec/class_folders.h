// Labelled images as people keep them: a folder a class, in a folder or an archive (archive.h),
// .../CLASS/FILE.{jpg,jpeg,png}.
//
// The label is the name of the folder that holds the file. Hidden files and folders (".x") and
// macOS' __MACOSX are skipped, and so are files of any other extension, all but pictures that this
// build does not read (.gif, .webp, ...): half a data set must not vanish in silence.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/spec/archive.h"

namespace espalier {

struct ClassFile {
  std::string path;   // below `path`, or in the archive; "/" between its parts
  std::string label;  // UTF-8
  std::string bytes;  // the file, as it is
};

struct ClassFolders {
  std::string path;  // a folder or an archive
  // Only what lies below this folder in it ("train" where there are train/ and test/); empty: all.
  std::string under;
  ArchiveLimits limits;
  bool labelled = true;  // false: files may lie anywhere, in no folder too, and have no label
};

// Every file once, in the order in which it comes, so that nothing needs to be held: for a full
// scan. INVALID_ARGUMENT also where there is no file at all, where one lies in no folder,
// where a class has two folders (train/cat and test/cat without `under`), or where there are no
// classes but train, test and the like at the top: folders of splits, of whose files nobody says
// what they show. A class "train" among others is one.
absl::Status visit_class_folders(const ClassFolders& folders,
                                 const std::function<absl::Status(ClassFile)>& take);

// See ClassFolders.
struct ClassPart {
  std::string under;
  bool labelled = true;
};
// The same for several folders of one archive in one pass, none of which lies in another: each is a
// split of its own, and `take` is told the place of its folder in `parts`.
absl::Status visit_class_folders(const std::string& path, const std::vector<ClassPart>& parts,
                                 const ArchiveLimits& limits,
                                 const std::function<absl::Status(size_t part, ClassFile)>& take);

// All of them, sorted by path.
absl::StatusOr<std::vector<ClassFile>> read_class_folders(const ClassFolders& folders);

// Whether `path` looks like an archive of class folders by its name: .tar, .tar.gz, .tgz, .tar.xz,
// .txz, .zip.
bool is_archive_name(std::string_view path);

}  // namespace espalier
