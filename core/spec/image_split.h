// A split of labelled images: class folders in an archive (class_folders.h), or a Parquet table
// with a column of files (bytes, or Hugging Face's struct of them) and one of labels.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/table.h"

namespace espalier {

struct ImageSplit {
  std::string path;   // of the archive or table
  std::string under;  // folder in the archive that holds the class folders; empty: its top
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
// The labels alone.
absl::Status visit_image_labels(const DatasetSpec& spec, const ImageSplit& split,
                                const std::function<absl::Status(const Cell& label)>& take);

// Whether the labels are the names of folders.
bool in_class_folders(const DatasetSpec& spec, const std::string& path);

// Whether one of two folders of an archive is the other or lies in it.
bool overlap(const std::string& under, const std::string& other);

}  // namespace espalier
