#include "core/export/export.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/export/onnx_network.h"
#include "core/export/plain_weights.h"
#include "core/spec/bounded_files.h"
#include "core/spec/families.h"
#include "core/spec/tokenizer_files.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr char kOnnx[] = "onnx", kTransformers[] = "transformers";

absl::Status check_options(const StoredArtifact& artifact, const ExportOptions& options) {
  const auto formats = export_formats();
  if (std::find(formats.begin(), formats.end(), options.format) == formats.end()) {
    return absl::InvalidArgumentError(absl::StrCat("unknown format \"", options.format,
                                                   "\"; known: ", absl::StrJoin(formats, ", ")));
  }
  if (!options.exits) return absl::OkStatus();
  if (options.format != kOnnx) {
    return absl::InvalidArgumentError(
        "exits can be exported to onnx only: transformers has no model with them");
  }
  if (asked_exits(artifact.config).empty()) {
    return absl::InvalidArgumentError(
        "this artifact has no exits; leave them out, or train some with an exit method");
  }
  return absl::OkStatus();
}

// As transformers' image processors write it; numbers of ImageSettings.
Json preprocessor_json(const ModelConfig& config) {
  const ImageSettings& image = config.image;
  auto square = [](int side) { return Json{{"height", side}, {"width", side}}; };
  Json out = {{"image_processor_type", facts_of(config).class_prefix + "ImageProcessor"},
              {"do_resize", image.do_resize},
              {"size", square(image.size)},
              {"resample", image.resample},
              {"do_center_crop", image.crop > 0},
              {"do_rescale", true},
              {"rescale_factor", image.rescale},
              {"do_normalize", true},
              {"image_mean", image.mean},
              {"image_std", image.std}};
  if (image.crop > 0) out["crop_size"] = square(image.crop);
  return out;
}

// What turns texts or images into inputs.
absl::Status write_neighbours(const StoredArtifact& artifact, const std::string& folder) {
  if (artifact.config.reads_images()) {
    return write_file(folder + "/preprocessor_config.json",
                      preprocessor_json(artifact.config).dump(2) + "\n");
  }
  return copy_tokenizer_files(artifact.folder, folder);
}

// As they are exported, in fp32.
uint64_t weight_bytes(const StoredArtifact& artifact) {
  const double parameters = count(artifact.config, /*tokens=*/1).parameters;
  return static_cast<uint64_t>(parameters) * sizeof(float);
}

absl::Status write_onnx(const StoredArtifact& artifact, const std::string& folder,
                        const ExportOptions& options, ExportReport& report) {
  const std::string model = folder + "/model.onnx";
  const bool beside = weight_bytes(artifact) > options.largest_model;
  OnnxGraph graph(beside ? model + ".data" : "");
  add_network(artifact, options.exits, graph);
  graph.note("espalier.json", artifact.spec.dump());
  report.inputs = graph.inputs();
  report.outputs = graph.outputs();
  if (!options.exits && !artifact.config.heads.empty()) {
    report.notes.push_back(
        "exits are left out: every input goes through all layers (with exits, each exit head is an "
        "output of its own)");
  }
  ESPALIER_RETURN_IF_ERROR(graph.write(model));
  ESPALIER_ASSIGN_OR_RETURN(const std::string config, read_file(artifact.folder + "/config.json"));
  return write_file(folder + "/config.json", config);
}

absl::Status write_transformers(const StoredArtifact& artifact, const std::string& folder,
                                ExportReport& report) {
  ESPALIER_ASSIGN_OR_RETURN(const PlainShape shape, plain_shape(artifact));
  report.notes = shape.notes;
  ESPALIER_RETURN_IF_ERROR(write_plain_weights(artifact, shape, folder + "/model.safetensors"));
  return write_file(folder + "/config.json", shape.json.dump(2) + "\n");
}

// Why ONNX has no int8 here: an engine rounds inputs token by token, which is a zero point for each
// row. ONNX has that, onnxruntime refuses it (its issue 27897), and what goes around it, rounding
// in floats and a correction in 32 bits, are twenty nodes a product and gain little over fp32.
void note_precision(const StoredArtifact& artifact, bool exits, ExportReport& report) {
  if (artifact.precision == Precision::kFp32) return;
  const char* name = precision_name(artifact.precision);
  std::string note =
      absl::StrCat("the weights of the layers are those in ", name,
                   ", written and multiplied as fp32; where the endpoint multiplies in ", name,
                   " it rounds their inputs too, so its logits differ from these");
  if (const double slack = artifact.slack(); slack > 0)
    absl::StrAppend(&note, " by up to about ", slack);
  if (exits) absl::StrAppend(&note, ", and the exits' threshold was chosen for its logits");
  report.notes.push_back(std::move(note));
}

absl::StatusOr<ExportReport> write_all(const StoredArtifact& artifact, const std::string& folder,
                                       const ExportOptions& options) {
  ExportReport report;
  report.format = options.format;
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  ESPALIER_RETURN_IF_ERROR(options.format == kOnnx ? write_onnx(artifact, folder, options, report)
                                                   : write_transformers(artifact, folder, report));
  note_precision(artifact, options.exits, report);
  ESPALIER_RETURN_IF_ERROR(write_neighbours(artifact, folder));
  ESPALIER_ASSIGN_OR_RETURN(report.files, list_files(folder));
  return report;
}

}  // namespace

absl::Status check_export_folder(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder, error) ||
      (fs::is_directory(folder, error) && fs::is_empty(folder, error)))
    return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(folder, " is there already and is no empty folder; name a new one"));
}

std::vector<std::string> export_formats() { return {kOnnx, kTransformers}; }

absl::StatusOr<ExportReport> export_artifact(const std::string& artifact_folder,
                                             const std::string& folder,
                                             const ExportOptions& options) {
  ESPALIER_ASSIGN_OR_RETURN(const StoredArtifact artifact, open_artifact(artifact_folder));
  ESPALIER_RETURN_IF_ERROR(check_options(artifact, options));
  ESPALIER_RETURN_IF_ERROR(check_export_folder(folder));
  std::string target = folder;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  const std::string aside = aside_of(target);
  auto written = guard("exporting", [&] { return write_all(artifact, aside, options); });
  const absl::Status published = written.ok() ? publish_file(aside, target) : written.status();
  if (published.ok()) return written;
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  return published;
}

}  // namespace espalier
