#include "core/spec/image_split.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/class_folders.h"

namespace espalier {
namespace {

ClassFolders folders_of(const ImageSplit& split) {
  ClassFolders out{split.path, split.under, {}, split.labelled};
  out.limits.total_bytes = kMaxImagesBytes;
  return out;
}

absl::StatusOr<LabelledImages> read_archived(const ImageSplit& split) {
  ESPALIER_ASSIGN_OR_RETURN(std::vector<ClassFile> files, read_class_folders(folders_of(split)));
  LabelledImages out;
  for (ClassFile& file : files) {
    out.files.push_back(std::move(file.bytes));
    out.names.push_back(std::move(file.path));
    if (split.labelled) out.labels.emplace_back(std::move(file.label));
  }
  return out;
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

absl::StatusOr<LabelledImages> read_images(const DatasetSpec& spec, const ImageSplit& split) {
  if (in_class_folders(spec, split.path)) return read_archived(split);
  const TextColumn images = {.name = spec.image_column, .is_bytes = true};
  std::vector<TextColumn> wanted = {images};
  if (split.labelled) {
    wanted.insert(wanted.begin(),
                  {.name = spec.label_column, .may_be_absent = split.labels_may_be_absent});
  }
  ESPALIER_ASSIGN_OR_RETURN(auto columns, read_table(split.path, spec.format, wanted));
  LabelledImages out;
  if (split.labelled) out.labels = std::move(columns.front());
  out.files.reserve(columns.back().size());
  for (Cell& cell : columns.back()) {
    if (is_null(cell)) {
      return absl::InvalidArgumentError(absl::StrCat(split.path, ": row ", out.files.size() + 1,
                                                     ", column ", spec.image_column,
                                                     ": the image is null"));
    }
    out.files.push_back(std::move(std::get<std::string>(cell)));
  }
  return out;
}

absl::StatusOr<std::vector<Cell>> read_image_labels(const DatasetSpec& spec,
                                                    const ImageSplit& split) {
  if (!in_class_folders(spec, split.path)) {
    ESPALIER_ASSIGN_OR_RETURN(auto columns,
                              read_table(split.path, spec.format, {{.name = spec.label_column}}));
    return std::move(columns[0]);
  }
  std::vector<Cell> out;
  ESPALIER_RETURN_IF_ERROR(visit_class_folders(folders_of(split), [&](ClassFile file) {
    out.emplace_back(std::move(file.label));
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<std::map<std::string, LabelledImages>> scan_archives(const DatasetSpec& spec,
                                                                    const LookAtImage& look) {
  std::map<std::string, std::vector<std::string>> splits_of;  // by archive
  for (const auto& [name, path] : spec.splits) {
    if (in_class_folders(spec, path)) splits_of[path].push_back(name);
  }
  std::map<std::string, LabelledImages> out;
  for (const auto& [path, names] : splits_of) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string archive, split_path(spec, names.front()));
    std::vector<ClassPart> parts;
    for (const std::string& name : names)
      parts.push_back({under_of(spec, name), name != kUnlabelled});
    const auto take = [&](size_t i, ClassFile file) -> absl::Status {
      if (const absl::Status seen = look ? look(file.bytes) : absl::OkStatus(); !seen.ok()) {
        return absl::Status(seen.code(),
                            absl::StrCat(archive, ": ", file.path, ": ", seen.message()));
      }
      LabelledImages& split = out[names[i]];
      split.names.push_back(std::move(file.path));
      if (parts[i].labelled) split.labels.emplace_back(std::move(file.label));
      return absl::OkStatus();
    };
    ESPALIER_RETURN_IF_ERROR(
        visit_class_folders(archive, parts, folders_of({archive, ""}).limits, take));
  }
  return out;
}

absl::Status check_pixel_memory(int64_t images, int64_t channels, int64_t side) {
  const double bytes = static_cast<double>(images) * static_cast<double>(channels) *
                       static_cast<double>(side) * static_cast<double>(side);
  if (bytes <= kMaxPixelBytes) return absl::OkStatus();
  constexpr double kGiB = 1 << 30;
  return absl::InvalidArgumentError(absl::StrCat(
      "the data set's ", images, " images of ", channels, " x ", side, " x ", side, " pixels take ",
      bytes / kGiB, " GiB, and a job holds at most ", kMaxPixelBytes / kGiB,
      "; fewer images or a model of a smaller image_size would fit"));
}

bool overlap(const std::string& under, const std::string& other) {
  const std::string a = under.empty() ? "" : under + "/", b = other.empty() ? "" : other + "/";
  return a.starts_with(b) || b.starts_with(a);
}

}  // namespace espalier
