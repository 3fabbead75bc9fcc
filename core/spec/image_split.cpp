#include "core/spec/image_split.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/class_folders.h"

namespace espalier {
bool in_class_folders(const DatasetSpec& spec, const std::string& path) {
  return spec.format == TableFormat::kByExtension && is_archive_name(path);
}

absl::Status check_image_format(const DatasetSpec& spec, const std::string& path) {
  if (in_class_folders(spec, path)) return absl::OkStatus();
  TableFormat format = spec.format;
  if (format == TableFormat::kByExtension)
    format = format_of_extension(path).value_or(TableFormat::kByExtension);
  if (format == TableFormat::kParquet) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", spec.task,
                   " reads an archive with a folder for each class (.tar, .tar.gz, .tar.xz, .zip, "
                   "no format set) or a Parquet file with a column of images"));
}

absl::Status visit_images(const DatasetSpec& spec, const ImageSplit& split,
                          const std::function<absl::Status(const LabelledImage&)>& take) {
  if (in_class_folders(spec, split.path)) {
    return visit_class_folders({split.path, split.under, {}}, [&](ClassFile file) {
      return take({file.bytes, file.path, Cell(std::move(file.label))});
    });
  }
  const TextColumn images = {.name = spec.image_column, .is_bytes = true};
  const auto take_batch = [&](const TableBatch& batch) -> absl::Status {
    for (size_t i = 0; i < batch.columns[1].size(); ++i) {
      const auto* file = std::get_if<std::string>(&batch.columns[1][i]);
      if (file == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat(split.path, ": row ", batch.first + static_cast<int64_t>(i) + 1,
                         ", column ", spec.image_column, ": the image is null"));
      }
      ESPALIER_RETURN_IF_ERROR(take({*file, "", batch.columns[0][i]}));
    }
    return absl::OkStatus();
  };
  return read_table(split.path, spec.format, {{.name = spec.label_column}, images}, {}, take_batch);
}

absl::Status visit_image_labels(const DatasetSpec& spec, const ImageSplit& split,
                                const std::function<absl::Status(const Cell& label)>& take) {
  if (in_class_folders(spec, split.path)) {
    return visit_class_folders({split.path, split.under, {}},
                               [&](ClassFile file) { return take(Cell(std::move(file.label))); });
  }
  return read_table(split.path, spec.format, {{.name = spec.label_column}}, {},
                    [&](const TableBatch& batch) -> absl::Status {
                      for (const Cell& label : batch.columns[0])
                        ESPALIER_RETURN_IF_ERROR(take(label));
                      return absl::OkStatus();
                    });
}

bool overlap(const std::string& under, const std::string& other) {
  const std::string a = under.empty() ? "" : under + "/", b = other.empty() ? "" : other + "/";
  return a.starts_with(b) || b.starts_with(a);
}

}  // namespace espalier
