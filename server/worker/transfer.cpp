#include "server/worker/transfer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

constexpr uint64_t kChunk = (4 << 20) - (64 << 10);  // gRPC takes messages of 4 MiB
constexpr int kTries = 3;

class Upload {
 public:
  Upload(HeldLease& lease, const std::string& path, const espalier::v1::File& file,
         const std::function<bool()>& abandon)
      : lease_(lease), in_(path, std::ios::binary), path_(path), file_(file), abandon_(abandon) {}

  absl::Status run() {
    // Large content is announced without bytes first: most of it may be there already.
    uint64_t committed = 0;
    if (file_.size() > kChunk) {
      ESPALIER_ASSIGN_OR_RETURN(committed, write(0, 0));
      if (committed == file_.size()) return absl::OkStatus();
    }
    do {
      if (abandon_ && abandon_()) return absl::CancelledError("upload abandoned");
      uint64_t wanted = std::min(kChunk, file_.size() - committed);
      ESPALIER_ASSIGN_OR_RETURN(uint64_t now, write(committed, wanted));
      if (now > file_.size() || (now <= committed && now != file_.size())) {
        return absl::DataLossError(absl::StrCat("upload of ", file_.path(), " stands at ", now,
                                                " after ", committed, " of ", file_.size(),
                                                " bytes"));
      }
      committed = now;
    } while (committed < file_.size());
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<uint64_t> write(uint64_t offset, uint64_t size) {
    wire::WriteBlobRequest request;
    request.set_sha256(file_.sha256());
    request.set_size(file_.size());
    request.set_offset(offset);
    auto& data = *request.mutable_data();
    data.resize(size);
    in_.seekg(static_cast<std::streamoff>(offset));
    if (size > 0 && !in_.read(data.data(), static_cast<std::streamsize>(size))) {
      return absl::InternalError(absl::StrCat("cannot read ", path_, " at ", offset));
    }
    request.set_crc32c(crc32c(data));
    ESPALIER_ASSIGN_OR_RETURN(
        auto response, lease_.call_patiently(&Stub::WriteBlob, std::move(request), abandon_));
    return response.committed();
  }

  HeldLease& lease_;
  std::ifstream in_;
  const std::string& path_;
  const espalier::v1::File& file_;
  const std::function<bool()>& abandon_;
};

// Damage on the way and a store that lost its part of an upload are cured by another try.
bool worth_another_try(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsOutOfRange(status);
}

}  // namespace

BlobCache::Read blob_reader(HeldLease& lease, std::string sha256) {
  return [&lease, sha256 = std::move(sha256)](uint64_t offset) -> absl::StatusOr<std::string> {
    if (lease.lost() || lease.cancelled()) return absl::CancelledError("download abandoned");
    wire::ReadBlobRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    request.set_limit(kChunk);
    ESPALIER_ASSIGN_OR_RETURN(auto response,
                              lease.call_patiently(&Stub::ReadBlob, std::move(request),
                                                   [&lease] { return lease.stopping(); }));
    return std::move(*response.mutable_data());
  };
}

absl::StatusOr<std::vector<espalier::v1::File>> upload_folder(
    HeldLease& lease, const std::string& folder, const std::function<bool()>& abandon) {
  ESPALIER_ASSIGN_OR_RETURN(auto names, list_files(folder));
  std::vector<espalier::v1::File> files;
  for (const auto& name : names) {
    std::string path = folder + "/" + name;
    espalier::v1::File file;
    file.set_path(name);
    file.set_size(std::filesystem::file_size(path));
    ESPALIER_ASSIGN_OR_RETURN(*file.mutable_sha256(), sha256_of_file(path));
    absl::Status status;
    for (int i = 1; i <= kTries; ++i) {
      status = Upload(lease, path, file, abandon).run();
      if (!worth_another_try(status)) break;
      spdlog::warn("upload of {}, try {} of {}: {}", name, i, kTries, status.ToString());
    }
    ESPALIER_RETURN_IF_ERROR(status);
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace espalier::server
