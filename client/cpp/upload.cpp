// Uploads: hash, announce, send what is missing, wait for the check.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/connection.h"
#include "client/cpp/names.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace espalier::client {
namespace {

// Adds the bytes of all files up for one callback.
class Meter {
 public:
  Meter(const TransferCallback& callback, uint64_t total) : callback_(callback), total_(total) {}
  void at(const std::string& file, uint64_t done) const {
    if (callback_) callback_({file, before_ + done, total_});
  }
  void finished(uint64_t size) { before_ += size; }

 private:
  const TransferCallback& callback_;
  uint64_t total_, before_ = 0;
};

absl::StatusOr<v1::File> describe(const LocalFile& file) {
  std::error_code error;
  auto size = std::filesystem::file_size(file.local, error);
  if (error)
    return absl::NotFoundError(absl::StrCat("cannot read ", file.local, ": ", error.message()));
  v1::File described;
  described.set_path(file.path);
  described.set_size(size);
  ESPALIER_ASSIGN_OR_RETURN(*described.mutable_sha256(), sha256_of_file(file.local));
  return described;
}

absl::StatusOr<std::string> read_range(std::ifstream& in, const std::string& path, uint64_t offset,
                                       size_t length) {
  std::string data(length, '\0');
  in.clear();
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(data.data(), static_cast<std::streamsize>(length));
  if (static_cast<size_t>(in.gcount()) != length) {
    return absl::DataLossError(absl::StrCat(path, " became shorter while it was being uploaded"));
  }
  return data;
}

absl::StatusOr<v1::Upload> get_upload(const Connection& connection, const std::string& name) {
  v1::GetUploadRequest request;
  request.set_name(name);
  v1::GetUploadResponse response;
  ESPALIER_RETURN_IF_ERROR(connection.call(*connection.uploads, &v1::UploadService::Stub::GetUpload,
                                           request, &response));
  return response.upload();
}

// One pass from where the server stands to the end of the file; any error ends it.
absl::Status send_rest(const Connection& connection, const std::string& local, const v1::File& file,
                       const Meter& meter, Backoff& backoff) {
  ESPALIER_ASSIGN_OR_RETURN(auto upload, get_upload(connection, file.upload()));
  if (upload.finalized()) return absl::OkStatus();
  std::ifstream in(local, std::ios::binary);
  uint64_t offset = upload.committed();
  while (offset < file.size()) {
    meter.at(file.path(), offset);
    v1::WriteChunkRequest request;
    request.set_upload(file.upload());
    request.set_offset(offset);
    ESPALIER_ASSIGN_OR_RETURN(
        *request.mutable_data(),
        read_range(in, local, offset, std::min<uint64_t>(kChunk, file.size() - offset)));
    request.set_crc32c(crc32c(request.data()));
    v1::WriteChunkResponse response;
    ESPALIER_RETURN_IF_ERROR(connection.call(
        *connection.uploads, &v1::UploadService::Stub::WriteChunk, request, &response));
    if (response.committed() <= offset) {
      return absl::InternalError(absl::StrCat(file.upload(), ": the server took a chunk at ",
                                              offset, " and stands at ", response.committed()));
    }
    offset = response.committed();
    backoff.reset();
  }
  v1::FinalizeUploadRequest request;
  request.set_name(file.upload());
  v1::FinalizeUploadResponse response;
  return connection.call(*connection.uploads, &v1::UploadService::Stub::FinalizeUpload, request,
                         &response);
}

absl::Status send(const Connection& connection, const Client::Options& options,
                  const std::string& local, const v1::File& file, const Meter& meter) {
  Backoff backoff(options);
  absl::Status status;
  do {
    status = send_rest(connection, local, file, meter, backoff);
  } while (!status.ok() && backoff.again(status));
  return status;
}

// `announced`: what the server answered to Create; `files`: where the bytes are.
template <class Resource>
absl::Status send_missing(const Connection& connection, const Client::Options& options,
                          const Resource& announced, const std::vector<LocalFile>& files,
                          const TransferCallback& progress) {
  uint64_t total = 0;
  for (const auto& file : announced.files()) total += file.upload().empty() ? 0 : file.size();
  Meter meter(progress, total);
  for (const auto& file : announced.files()) {
    if (file.upload().empty()) continue;
    auto local = std::find_if(files.begin(), files.end(), [&](const LocalFile& candidate) {
      return candidate.path == file.path();
    });
    if (local == files.end()) {
      return absl::InternalError(
          absl::StrCat("the server asks for ", file.path(), ", which was not announced"));
    }
    ESPALIER_RETURN_IF_ERROR(send(connection, options, local->local, file, meter));
    meter.finished(file.size());
    meter.at(file.path(), 0);
  }
  return absl::OkStatus();
}

// Polls `get` until the resource is READY; a refusal becomes INVALID_ARGUMENT.
template <class Resource, class Get>
absl::StatusOr<Resource> wait_until_ready(const Client::Options& options, const char* kind,
                                          const Get& get) {
  Backoff backoff(options);
  while (true) {
    absl::StatusOr<Resource> resource = get();
    if (!resource.ok()) {
      if (backoff.again(resource.status())) continue;
      return resource.status();
    }
    if (resource->state() == Resource::STATE_READY) return resource;
    if (resource->state() == Resource::STATE_INVALID) {
      return absl::InvalidArgumentError(absl::StrCat(kind, " ", short_name(resource->name()),
                                                     " was refused (", resource->failure().reason(),
                                                     "): ", resource->failure().message()));
    }
    if (resource->state() == Resource::STATE_UPLOADING) {
      return absl::FailedPreconditionError(
          absl::StrCat(kind, " ", short_name(resource->name()),
                       " still waits for bytes, though all were sent; upload it again"));
    }
    options.sleep(absl::Milliseconds(200));
  }
}

template <class Resource>
absl::Status describe_all(const std::vector<LocalFile>& files, Resource& resource) {
  for (const auto& file : files) {
    ESPALIER_ASSIGN_OR_RETURN(*resource.add_files(), describe(file));
  }
  return absl::OkStatus();
}

bool has_same_files(const google::protobuf::RepeatedPtrField<v1::File>& ours,
                    const google::protobuf::RepeatedPtrField<v1::File>& theirs) {
  std::map<std::string, std::string> a, b;
  for (const auto& file : ours) a[file.path()] = file.sha256();
  for (const auto& file : theirs) b[file.path()] = file.sha256();
  return a == b;
}

// Creates the resource. The same content under the same name is the same request: a command that
// was interrupted and is given again goes on with the uploads that it had.
template <class Resource, class Request, class Create>
absl::StatusOr<Resource> announce(Request& request, const Resource& ours, const Create& create) {
  request.set_request_id(sha256_hex(request.SerializeAsString()).substr(0, 32));
  absl::StatusOr<Resource> announced = create(request);
  if (absl::IsNotFound(announced.status())) {
    // The service remembers the request, but its resource was deleted since: a new one.
    request.clear_request_id();
    announced = create(request);
  }
  if (announced.ok() && !has_same_files(ours.files(), announced->files())) {
    return absl::AlreadyExistsError(absl::StrCat(announced->name(),
                                                 " exists already, with other content; ",
                                                 "take another name or delete it first"));
  }
  return announced;
}

constexpr char kModelFolder[] =
    "a model is a Hugging Face folder with config.json, model.safetensors and the tokenizer's "
    "files "
    "(vocab.txt or tokenizer.json)";

}  // namespace

absl::StatusOr<std::vector<LocalFile>> model_files(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names, pickles;
  bool has_safetensors = false;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    std::string name = it->path().filename();
    if (absl::StartsWith(name, ".")) continue;
    has_safetensors |= absl::EndsWith(name, ".safetensors");
    if (absl::EndsWith(name, ".json") || absl::EndsWith(name, ".txt") ||
        absl::EndsWith(name, ".safetensors")) {
      names.push_back(name);
    } else if (absl::StartsWith(name, "pytorch_model") && absl::EndsWith(name, ".bin")) {
      pickles.push_back(name);
    }
  }
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("cannot read folder ", folder, ": ", error.message(), "; ", kModelFolder));
  }
  if (!has_safetensors) names.insert(names.end(), pickles.begin(), pickles.end());
  if (names.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, " holds no model; ", kModelFolder));
  }
  std::sort(names.begin(), names.end());
  std::vector<LocalFile> files;
  for (const auto& name : names)
    files.push_back({name, (std::filesystem::path(folder) / name).string()});
  return files;
}

absl::StatusOr<v1::Model> Client::upload_model(const std::string& id, const std::string& folder,
                                               const TransferCallback& progress) {
  ESPALIER_ASSIGN_OR_RETURN(auto files, model_files(folder));
  v1::CreateModelRequest request;
  request.set_parent(parent_name(options_.project, id));
  request.set_model_id(short_name(id));
  ESPALIER_RETURN_IF_ERROR(describe_all(files, *request.mutable_model()));
  auto create = [&](const v1::CreateModelRequest& wanted) -> absl::StatusOr<v1::Model> {
    v1::CreateModelResponse response;
    ESPALIER_RETURN_IF_ERROR(connection_->call(
        *connection_->models, &v1::ModelService::Stub::CreateModel, wanted, &response));
    return response.model();
  };
  ESPALIER_ASSIGN_OR_RETURN(auto model, announce(request, request.model(), create));
  ESPALIER_RETURN_IF_ERROR(send_missing(*connection_, options_, model, files, progress));
  return wait_until_ready<v1::Model>(options_, "model", [&] { return get_model(id); });
}

absl::StatusOr<v1::Dataset> Client::upload_dataset(const std::string& id, v1::Dataset dataset,
                                                   const std::vector<LocalFile>& files,
                                                   const TransferCallback& progress) {
  v1::CreateDatasetRequest request;
  request.set_parent(parent_name(options_.project, id));
  request.set_dataset_id(short_name(id));
  *request.mutable_dataset() = std::move(dataset);
  ESPALIER_RETURN_IF_ERROR(describe_all(files, *request.mutable_dataset()));
  auto create = [&](const v1::CreateDatasetRequest& wanted) -> absl::StatusOr<v1::Dataset> {
    v1::CreateDatasetResponse response;
    ESPALIER_RETURN_IF_ERROR(connection_->call(
        *connection_->datasets, &v1::DatasetService::Stub::CreateDataset, wanted, &response));
    return response.dataset();
  };
  ESPALIER_ASSIGN_OR_RETURN(auto announced, announce(request, request.dataset(), create));
  ESPALIER_RETURN_IF_ERROR(send_missing(*connection_, options_, announced, files, progress));
  return wait_until_ready<v1::Dataset>(options_, "data set", [&] { return get_dataset(id); });
}

}  // namespace espalier::client
