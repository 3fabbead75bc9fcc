#include "tests/server/worker/fake_control.h"

#include <gtest/gtest.h>

#include "core/base/hash.h"

namespace espalier::server::testing_ {

void FakeControl::start() {
  auto server = GrpcServer::start({.listen = address_, .services = {this}});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  address_ = server_->address();
}

espalier::v1::File FakeControl::put(const std::string& path, const std::string& content) {
  espalier::v1::File file;
  file.set_path(path);
  file.set_size(content.size());
  file.set_sha256(sha256_hex(content));
  set([&] { blobs[file.sha256()] = content; });
  return file;
}

wire::Lease FakeControl::lease(const std::string& id, uint64_t fence) {
  wire::Lease lease;
  lease.mutable_token()->set_job("projects/p/jobs/" + id);
  lease.mutable_token()->set_fence(fence);
  lease.mutable_job()->set_name(lease.token().job());
  lease.mutable_job()->set_attempt(1);
  (*lease.mutable_job()->mutable_resolved_recipe()->mutable_fields())["seed"].set_number_value(7);
  *lease.add_model_files() = put("config.json", "{\"model_type\": \"bert\"}");
  lease.set_lease_seconds(30);
  return lease;
}

void FakeControl::offer(wire::Lease lease) {
  set([&] { offered_.push_back(std::move(lease)); });
}

template <class Request, class Answer>
grpc::Status FakeControl::held(const char* name, const Request& request, Answer answer) {
  std::lock_guard lock(mutex_);
  changed_.notify_all();
  if (stale) return {grpc::StatusCode::ABORTED, "another worker holds the job"};
  if (*name != '\0') calls.push_back(name);
  return answer();
}

grpc::Status FakeControl::RegisterWorker(Context*, const wire::RegisterWorkerRequest* request,
                                         wire::RegisterWorkerResponse* response) {
  return held("Register", *request, [&]() -> grpc::Status {
    if (request->worker().protocol_version() == refuse_protocol) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "protocol 1 is too old; 7 and 8 are spoken"};
    }
    workers.push_back(request->worker());
    response->set_protocol_version(1);
    response->set_heartbeat_seconds(0.002);
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::LeaseJob(Context* context, const wire::LeaseJobRequest* request,
                                   wire::LeaseJobResponse* response) {
  std::unique_lock lock(mutex_);
  auto end = std::chrono::steady_clock::now() +
             std::chrono::milliseconds(static_cast<int>(request->wait_seconds() * 1000));
  while (offered_.empty() && !context->IsCancelled() && std::chrono::steady_clock::now() < end) {
    changed_.wait_for(lock, std::chrono::milliseconds(1));
  }
  if (offered_.empty()) return grpc::Status::OK;
  *response->mutable_lease() = offered_.front();
  response->mutable_lease()->mutable_token()->set_worker(request->worker().id());
  offered_.pop_front();
  return grpc::Status::OK;
}

grpc::Status FakeControl::Heartbeat(Context*, const wire::HeartbeatRequest* request,
                                    wire::HeartbeatResponse* response) {
  return held("", *request, [&] {
    ++heartbeats;
    response->set_cancel_requested(cancel);
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::ReportProgress(Context*, const wire::ReportProgressRequest* request,
                                         wire::ReportProgressResponse* response) {
  return held("", *request, [&] {
    progress.push_back(*request);
    response->set_cancel_requested(cancel);
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::ReadBlob(Context*, const wire::ReadBlobRequest* request,
                                   wire::ReadBlobResponse* response) {
  return held("", *request, [&]() -> grpc::Status {
    ++reads;
    auto found = blobs.find(request->sha256());
    if (found == blobs.end()) return {grpc::StatusCode::NOT_FOUND, "no such blob"};
    // Small answers, so that reading in pieces is what every test does.
    if (request->offset() < found->second.size()) {
      response->set_data(found->second.substr(request->offset(), 7));
    }
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::WriteBlob(Context*, const wire::WriteBlobRequest* request,
                                    wire::WriteBlobResponse* response) {
  return held("", *request, [&]() -> grpc::Status {
    if (crc32c(request->data()) != request->crc32c()) {
      return {grpc::StatusCode::DATA_LOSS, "wrong crc32c"};
    }
    response->set_committed(request->size());
    if (blobs.count(request->sha256()) > 0) return grpc::Status::OK;
    std::string& bytes = staged[request->sha256()];
    if (request->offset() > bytes.size()) return {grpc::StatusCode::OUT_OF_RANGE, "a gap"};
    if (request->offset() + request->data().size() > bytes.size()) {
      bytes.resize(request->offset());
      bytes += request->data();
      bytes_written += request->data().size();
    }
    response->set_committed(bytes.size());
    if (bytes.size() < request->size()) return grpc::Status::OK;
    std::string whole = std::move(bytes);
    staged.erase(request->sha256());
    if (damaged_uploads > 0 || sha256_hex(whole) != request->sha256()) {
      --damaged_uploads;
      return {grpc::StatusCode::DATA_LOSS, "the bytes have another sha256"};
    }
    blobs[request->sha256()] = std::move(whole);
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::CommitCheckpoint(Context*, const wire::CommitCheckpointRequest* request,
                                           wire::CommitCheckpointResponse* response) {
  return held("Checkpoint", *request, [&] {
    checkpoints.push_back(*request);
    response->set_cancel_requested(cancel);
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::CompleteJob(Context*, const wire::CompleteJobRequest* request,
                                      wire::CompleteJobResponse* response) {
  return held("Complete", *request, [&] {
    completed.push_back(*request);
    response->add_artifacts("projects/p/artifacts/a");
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::FailJob(Context*, const wire::FailJobRequest* request,
                                  wire::FailJobResponse*) {
  return held("Fail", *request, [&] {
    failed.push_back(*request);
    return grpc::Status::OK;
  });
}

grpc::Status FakeControl::ReleaseJob(Context*, const wire::ReleaseJobRequest* request,
                                     wire::ReleaseJobResponse*) {
  return held("Release", *request, [&] {
    ++released;
    return grpc::Status::OK;
  });
}

}  // namespace espalier::server::testing_
