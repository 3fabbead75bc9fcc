#include "core/data/example_cache.h"

#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/data/splits_file.h"
#include "core/spec/families.h"
#include "core/spec/image_settings.h"

namespace espalier {
namespace {
namespace fs = std::filesystem;

// A hash over parts that cannot run into each other.
class KeyOfParts {
 public:
  void add(std::string_view part) {
    add(static_cast<int64_t>(part.size()));
    hash_.update(part);
  }
  void add(int64_t number) { hash_.update(&number, sizeof number); }
  void add(const std::vector<std::string>& parts) {
    add(static_cast<int64_t>(parts.size()));
    for (const std::string& part : parts) add(std::string_view(part));
  }
  std::string hex() { return hash_.hex(); }

 private:
  Sha256 hash_;
};

// Of the program that runs: another build may encode otherwise.
const absl::StatusOr<std::string>& program_digest() {
  static const absl::StatusOr<std::string> digest = sha256_of_file("/proc/self/exe");
  return digest;
}

// Everything but the folder, which is another one in every job, the metric, which only judges, and
// the class weights, which training lays over the targets; digests that are known spare the reading
// of the files. A new field of DatasetSpec does not compile before somebody has decided about it
// here.
absl::Status add_spec(const DatasetSpec& spec, KeyOfParts& key) {
  const auto& [folder, splits, under, format, task, text_column, text_pair_column, image_column,
               label_column, label_names, column_names, metric, class_weights, digests] = spec;
  for (const auto& [name, path] : splits) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string digest, split_digest(spec, name));
    key.add(name);
    key.add(fs::path(path).extension().string());  // it may decide the format
    key.add(digest);
    key.add(under_of(spec, name));
  }
  key.add(static_cast<int64_t>(format));
  for (const std::string* part :
       {&task, &text_column, &text_pair_column, &image_column, &label_column})
    key.add(std::string_view(*part));
  key.add(label_names);
  key.add(column_names);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> examples_key(const DatasetSpec& spec, const std::string& model_folder,
                                         const Reading& reading) {
  KeyOfParts key;
  ESPALIER_ASSIGN_OR_RETURN(const std::string program, program_digest());
  key.add(program);
  ESPALIER_RETURN_IF_ERROR(add_spec(spec, key));
  key.add(int64_t{reading.max_length});
  const ModelConfig& config = *reading.config;
  key.add(int64_t{config.vocabulary});
  if (reading.tokenizer != nullptr) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string digest, tokenizer_digest(model_folder));
    key.add(digest);
    key.add(int64_t{facts_of(config).reads_types});
    key.add(int64_t{config.token_types});
  } else {
    key.add(int64_t{config.image_size});
    key.add(int64_t{config.channels});
    key.add(write_image_settings(config.image).dump());
  }
  return key.hex();
}

std::optional<Splits> ExampleCache::find(const std::string& key) const {
  if (!enabled()) return std::nullopt;
  auto splits = read_splits(path_of(key));
  std::error_code ignored;
  if (absl::IsDataLoss(splits.status())) fs::remove(path_of(key), ignored);
  if (!splits.ok()) return std::nullopt;
  fs::last_write_time(path_of(key), fs::file_time_type::clock::now(), ignored);  // used just now
  return *std::move(splits);
}

absl::Status ExampleCache::keep(const std::string& key, const Splits& splits) const {
  if (!enabled()) return absl::OkStatus();
  const uint64_t bytes = splits_file_size(splits);
  if (bytes > max_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat("the encoded examples take ", bytes,
                                                     " bytes, and the cache has ", max_bytes_));
  }
  ESPALIER_RETURN_IF_ERROR(make_folders(folder_));
  trim_folder(folder_, max_bytes_ - bytes);  // so that there is room before it is written
  return write_splits(path_of(key), splits);
}

}  // namespace espalier
