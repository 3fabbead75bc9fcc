// A split of labelled images: class folders in an archive (class_folders.h), or a Parquet table
// with a column of files (bytes, or Hugging Face's struct of them) and one of labels.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/table.h"

namespace espalier {

// A split's files are held as they are, encoded, until each has become pixels: so many bytes of an
// archive, unpacked, and a GiB more while a table is read.
inline constexpr uint64_t kMaxImagesBytes = uint64_t{2} << 30;

// The pixels of all images stay in memory while a job runs, a byte each, and while a split is read
// its encoded files too.
inline constexpr double kMaxPixelBytes = 8.0 * (1 << 30);
// INVALID_ARGUMENT where so many images of a model's size have more pixels than that. 0 channels:
// the model reads texts, of which any number is right.
absl::Status check_pixel_memory(int64_t images, int64_t channels, int64_t side);

struct ImageSplit {
  std::string path;      // of the archive or table
  std::string under;     // folder in the archive that holds the class folders; empty: its top
  bool labelled = true;  // false: LabelledImages::labels stays empty, whatever there is
  bool labels_may_be_absent = false;  // of a table: then the labels are null
};

// INVALID_ARGUMENT where the file is no archive and no Parquet table by its name and format.
absl::Status check_image_format(const DatasetSpec& spec, const std::string& path);

struct LabelledImages {
  std::vector<std::string> files;  // encoded; not looked into
  std::vector<std::string> names;  // in the archive, sorted; empty: rows of a table have none
  std::vector<Cell> labels;
};
absl::StatusOr<LabelledImages> read_images(const DatasetSpec& spec, const ImageSplit& split);
// The labels alone, in any order.
absl::StatusOr<std::vector<Cell>> read_image_labels(const DatasetSpec& spec,
                                                    const ImageSplit& split);

// What lies in archives, by split: names and labels, in no order, and no files, each of which
// `look`, if any, has seen. Every archive is unpacked once, however many splits it holds.
absl::StatusOr<std::map<std::string, LabelledImages>> scan_archives(const DatasetSpec& spec,
                                                                    const LookAtImage& look);

// Whether the labels are the names of folders.
bool in_class_folders(const DatasetSpec& spec, const std::string& path);

// Whether one of two folders of an archive is the other or lies in it.
bool overlap(const std::string& under, const std::string& other);

}  // namespace espalier
