// A split of labelled images: class folders in an archive (class_folders.h), or a Parquet table
// with a column of files (bytes, or Hugging Face's struct of them) and one of labels.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/table.h"

namespace espalier {

// The pixels of all images lie on a worker's disk while a job runs, a byte each.
inline constexpr double kMaxPixelBytes = 64.0 * (1 << 30);
// INVALID_ARGUMENT where so many images of a model's size have more pixels than that. 0 channels:
// the model reads texts, of which any number is right.
absl::Status check_pixel_room(int64_t images, int64_t channels, int64_t side);

struct ImageSplit {
  std::string path;      // of the archive or table
  std::string under;     // folder in the archive that holds the class folders; empty: its top
  bool labelled = true;  // false: labels are null, whatever there is
  bool labels_may_be_absent = false;  // of a table: then they are null too
};

// INVALID_ARGUMENT where the file is no archive and no Parquet table by its name and format.
absl::Status check_image_format(const DatasetSpec& spec, const std::string& path);

// Views, for as long as they are shown.
struct LabelledImage {
  std::string_view file;  // encoded; not looked into
  std::string_view name;  // in the archive; empty: rows of a table have none
  const Cell& label;
};
// Every image, in the order of the archive or table; an error of `take` ends it. They come one by
// one: an archive's bytes are bounded by ArchiveLimits, not by memory.
absl::Status visit_images(const DatasetSpec& spec, const ImageSplit& split,
                          const std::function<absl::Status(const LabelledImage&)>& take);
// The labels alone, of a split that has some.
absl::Status visit_image_labels(const DatasetSpec& spec, const ImageSplit& split,
                                const std::function<absl::Status(const Cell& label)>& take);

// What a scan keeps of a split in an archive.
struct ArchivedSplit {
  struct FirstOf {
    std::string label, file;
  };
  int64_t images = 0;
  std::vector<FirstOf> labels;  // once each, in the order of the archive; kUnlabelled has none
};
// The splits that are in archives, each image of which `look`, if any, has seen. Every archive is
// unpacked once, however many splits it holds.
absl::StatusOr<std::map<std::string, ArchivedSplit>> scan_archives(const DatasetSpec& spec,
                                                                   const LookAtImage& look);

// Whether the labels are the names of folders.
bool in_class_folders(const DatasetSpec& spec, const std::string& path);

// Whether one of two folders of an archive is the other or lies in it.
bool overlap(const std::string& under, const std::string& other);

}  // namespace espalier
