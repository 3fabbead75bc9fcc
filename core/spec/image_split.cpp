#include "core/spec/image_split.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/class_folders.h"

namespace espalier {
namespace {

ClassFolders folders_of(const ImageSplit& split) {
  return {split.path, split.under, {}, split.labelled};
}

TextColumn label_column(const DatasetSpec& spec, const ImageSplit& split) {
  return {.name = spec.label_column, .may_be_absent = split.labels_may_be_absent};
}

absl::Status null_image(const DatasetSpec& spec, const std::string& path, int64_t row) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": row ", row + 1, ", column ", spec.image_column, ": the image is null"));
}

// Scans the splits of one archive.
absl::Status scan_archive(const DatasetSpec& spec, const std::vector<std::string>& names,
                          const LookAtImage& look, std::map<std::string, ArchivedSplit>& out) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string archive, split_path(spec, names.front()));
  std::vector<ClassPart> parts;
  for (const std::string& name : names)
    parts.push_back({under_of(spec, name), name != kUnlabelled});
  std::vector<std::set<std::string>> seen(parts.size());  // labels
  const auto take = [&](size_t part, ClassFile file) -> absl::Status {
    if (const absl::Status fine = look ? look(file.bytes) : absl::OkStatus(); !fine.ok()) {
      return absl::Status(fine.code(),
                          absl::StrCat(archive, ": ", file.path, ": ", fine.message()));
    }
    ArchivedSplit& split = out[names[part]];
    ++split.images;
    if (parts[part].labelled && seen[part].insert(file.label).second)
      split.labels.push_back({std::move(file.label), std::move(file.path)});
    return absl::OkStatus();
  };
  return visit_class_folders(archive, parts, {}, take);
}

}  // namespace

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
    return visit_class_folders(folders_of(split), [&](ClassFile file) {
      const Cell label = split.labelled ? Cell(std::move(file.label)) : Cell();
      return take({file.bytes, file.path, label});
    });
  }
  std::vector<TextColumn> wanted = {{.name = spec.image_column, .is_bytes = true}};
  if (split.labelled) wanted.push_back(label_column(spec, split));
  const auto take_batch = [&](const TableBatch& batch) -> absl::Status {
    const Cell none;
    for (size_t i = 0; i < batch.columns[0].size(); ++i) {
      const auto* file = std::get_if<std::string>(&batch.columns[0][i]);
      if (file == nullptr)
        return null_image(spec, split.path, batch.first + static_cast<int64_t>(i));
      ESPALIER_RETURN_IF_ERROR(take({*file, "", split.labelled ? batch.columns[1][i] : none}));
    }
    return absl::OkStatus();
  };
  return read_table(split.path, spec.format, wanted, {}, take_batch);
}

absl::Status visit_image_labels(const DatasetSpec& spec, const ImageSplit& split,
                                const std::function<absl::Status(const Cell& label)>& take) {
  if (in_class_folders(spec, split.path)) {
    return visit_class_folders(folders_of(split),
                               [&](ClassFile file) { return take(Cell(std::move(file.label))); });
  }
  return read_column(split.path, spec.format, label_column(spec, split), {}, take);
}

absl::StatusOr<std::map<std::string, ArchivedSplit>> scan_archives(const DatasetSpec& spec,
                                                                   const LookAtImage& look) {
  std::map<std::string, std::vector<std::string>> splits_of;  // by archive
  for (const auto& [name, path] : spec.splits) {
    if (in_class_folders(spec, path)) splits_of[path].push_back(name);
  }
  std::map<std::string, ArchivedSplit> out;
  for (const auto& [path, names] : splits_of)
    ESPALIER_RETURN_IF_ERROR(scan_archive(spec, names, look, out));
  return out;
}

absl::Status check_pixel_room(int64_t images, int64_t channels, int64_t side) {
  const double bytes = static_cast<double>(images) * static_cast<double>(channels) *
                       static_cast<double>(side) * static_cast<double>(side);
  if (bytes <= kMaxPixelBytes) return absl::OkStatus();
  constexpr double kGiB = 1 << 30;
  return absl::InvalidArgumentError(absl::StrCat(
      "the data set's ", images, " images of ", channels, " x ", side, " x ", side, " pixels take ",
      bytes / kGiB, " GiB of disk, and a job gets at most ", kMaxPixelBytes / kGiB,
      "; fewer images or a model of a smaller image_size would fit"));
}

bool overlap(const std::string& under, const std::string& other) {
  const std::string a = under.empty() ? "" : under + "/", b = other.empty() ? "" : other + "/";
  return a.starts_with(b) || b.starts_with(a);
}

}  // namespace espalier
