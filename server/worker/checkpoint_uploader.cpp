#include "server/worker/checkpoint_uploader.h"

#include <spdlog/spdlog.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/worker/transfer.h"

namespace espalier::server {
namespace {
namespace fs = std::filesystem;

absl::Status link_folder(const std::string& from, const std::string& to) {
  ESPALIER_ASSIGN_OR_RETURN(auto names, list_files(from));
  std::error_code error;
  for (const auto& name : names) {
    fs::path target = fs::path(to) / name;
    fs::create_directories(target.parent_path(), error);
    fs::create_hard_link(fs::path(from) / name, target, error);
    if (error) {
      return absl::InternalError(
          absl::StrCat("snapshot of ", from, "/", name, ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

void remove_folder(const std::string& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

}  // namespace

CheckpointUploader::CheckpointUploader(HeldLease& lease, BlobCache& cache, WorkerMetrics& metrics,
                                       std::string folder, std::string compute_class)
    : lease_(lease),
      cache_(cache),
      metrics_(metrics),
      folder_(std::move(folder)),
      compute_class_(std::move(compute_class)),
      thread_([this] { run(); }) {}

CheckpointUploader::~CheckpointUploader() {
  {
    std::lock_guard lock(mutex_);
    dropped_ = true;
    if (waiting_) remove_folder(waiting_->folder);
    waiting_.reset();
  }
  changed_.notify_all();
  thread_.join();
}

absl::Status CheckpointUploader::snapshot(const std::string& checkpoint_folder) {
  Snapshot made{absl::StrCat(folder_, "/", ++count_), std::chrono::steady_clock::now()};
  ESPALIER_RETURN_IF_ERROR(link_folder(checkpoint_folder, made.folder));
  {
    std::lock_guard lock(mutex_);
    if (waiting_) remove_folder(waiting_->folder);
    waiting_ = std::move(made);
  }
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status CheckpointUploader::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !waiting_ && !busy_; });
  return last_;
}

void CheckpointUploader::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return dropped_ || waiting_; });
    if (dropped_) return;
    Snapshot snapshot = *std::exchange(waiting_, std::nullopt);
    busy_ = true;
    lock.unlock();
    absl::Status status = commit(snapshot);
    remove_folder(snapshot.folder);
    if (!status.ok() && !dropped_ && !lease_.lost()) {
      spdlog::warn("a checkpoint of {} was not kept: {}", lease_.token().job(), status.ToString());
    }
    lock.lock();
    last_ = status;
    busy_ = false;
    changed_.notify_all();
  }
}

absl::Status CheckpointUploader::commit(const Snapshot& snapshot) {
  auto abandon = [this] { return dropped_.load(); };
  ESPALIER_ASSIGN_OR_RETURN(auto files, upload_folder(lease_, snapshot.folder, abandon));
  wire::CommitCheckpointRequest request;
  request.set_compute_class(compute_class_);
  uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.size();
    *request.add_files() = file;
  }
  ESPALIER_RETURN_IF_ERROR(
      lease_.call_patiently(&Stub::CommitCheckpoint, std::move(request), abandon).status());
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - snapshot.written;
  metrics_.checkpoint(took.count(), bytes);
  spdlog::info("checkpoint of {} committed: {} bytes in {:.1f} s", lease_.token().job(), bytes,
               took.count());
  keep_newest(snapshot.folder, files);
  return absl::OkStatus();
}

void CheckpointUploader::keep_newest(const std::string& folder,
                                     const std::vector<espalier::v1::File>& files) {
  std::set<std::string> newest;
  for (const auto& file : files) {
    // A failure only costs a download later.
    cache_.adopt(folder + "/" + file.path(), file.sha256()).IgnoreError();
    newest.insert(file.sha256());
  }
  for (const auto& sha256 : kept_) {
    if (newest.count(sha256) == 0) cache_.forget(sha256);
  }
  kept_ = std::move(newest);
}

}  // namespace espalier::server
