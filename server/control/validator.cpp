#include "server/control/validator.h"

#include <spdlog/spdlog.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/control/convert.h"

namespace espalier::server {

namespace fs = std::filesystem;

absl::Status Validator::start() {
  std::error_code ignored;
  fs::remove_all(scratch_, ignored);
  ESPALIER_RETURN_IF_ERROR(make_folders(scratch_));
  ESPALIER_ASSIGN_OR_RETURN(auto left, store_.resources_to_validate());
  for (Resource& resource : left) submit(std::move(resource));
  thread_ = std::thread([this] { loop(); });
  return absl::OkStatus();
}

void Validator::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Validator::submit(Resource resource) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(resource));
  }
  work_.notify_one();
}

void Validator::loop() {
  while (true) {
    Resource next;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
      if (stopped_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    validate(next);
  }
}

absl::StatusOr<Json> Validator::look_at(const Resource& resource) {
  const std::string folder = absl::StrCat(scratch_, "/", random_id(16));
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  absl::Status linked;
  for (const StoredFile& file : resource.files) {
    linked.Update(blobs_.materialise(resource.key.project, file.sha256,
                                     absl::StrCat(folder, "/", file.path)));
  }
  auto answer = linked.ok()
                    ? inspector_.run(resource.kind, folder, dataset_spec_of(resource), stopped_)
                    : linked;
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return answer;
}

void Validator::validate(const Resource& resource) {
  const std::string name = make_name(resource.key, collection_of(resource.kind));
  auto answer = look_at(resource);
  if (stopped_) return;
  if (!answer.ok()) {
    answer = Json{{"ok", false},
                  {"reason", "CHECK_FAILED"},
                  {"message", std::string(answer.status().message().data(),
                                          answer.status().message().size())}};
  }
  const bool good = answer->value("ok", false);
  const ResourceState state = good ? ResourceState::kReady : ResourceState::kInvalid;
  const absl::Status settled =
      store_.settle_resource(resource, state, with_facts(resource, *answer));
  if (absl::IsNotFound(settled)) return;  // it was deleted meanwhile
  if (!settled.ok()) {
    spdlog::error("cannot settle {}: {}", name, settled.ToString());
  } else if (good) {
    spdlog::info("{} is READY", name);
  } else {
    spdlog::info("{} is INVALID: {}", name, answer->value("message", ""));
  }
  notifier_.notify();
}

}  // namespace espalier::server
