// A control plane in memory, with switches for what may go wrong. Its state outlives its gRPC
// server, so a test can take the server away and bring it back on the same port.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "espalier/worker/v1/worker.grpc.pb.h"
#include "server/common/grpc_server.h"

namespace espalier::server::testing_ {

namespace wire = espalier::worker::v1;

class FakeControl final : public wire::WorkerService::Service {
 public:
  FakeControl() { start(); }

  void start();  // on the port it had
  void stop() { server_->shutdown(std::chrono::milliseconds(0)); }
  const std::string& address() const { return address_; }

  // Stores content and returns it as a file of that path.
  espalier::v1::File put(const std::string& path, const std::string& content);
  // A lease of projects/p/jobs/<id>, waiting to be taken.
  void offer(wire::Lease lease);
  wire::Lease lease(const std::string& id, uint64_t fence = 1);

  // Waits (at most ten seconds) until a condition over the state below holds.
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), condition);
  }
  // Changes the state below.
  template <class Change>
  void set(Change change) {
    std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  // ---- switches, guarded ----
  bool cancel = false;           // every answer asks to stop
  bool stale = false;            // every call with a token is ABORTED
  int damaged_uploads = 0;       // so many uploads end with a wrong hash
  uint32_t refuse_protocol = 0;  // RegisterWorker of this version is refused

  // ---- what happened, guarded ----
  std::map<std::string, std::string> blobs, staged;
  std::vector<std::string> calls;  // names, in order, without heartbeats and blobs
  std::vector<wire::ReportProgressRequest> progress;
  std::vector<wire::CommitCheckpointRequest> checkpoints;
  std::vector<wire::CompleteJobRequest> completed;
  std::vector<wire::FailJobRequest> failed;
  std::vector<wire::WorkerInfo> workers;
  int heartbeats = 0, reads = 0, released = 0;
  uint64_t bytes_written = 0;

 private:
  template <class Request, class Answer>
  grpc::Status held(const char* name, const Request& request, Answer answer);

  using Context = grpc::ServerContext;
  grpc::Status RegisterWorker(Context*, const wire::RegisterWorkerRequest*,
                              wire::RegisterWorkerResponse*) override;
  grpc::Status LeaseJob(Context*, const wire::LeaseJobRequest*, wire::LeaseJobResponse*) override;
  grpc::Status Heartbeat(Context*, const wire::HeartbeatRequest*,
                         wire::HeartbeatResponse*) override;
  grpc::Status ReportProgress(Context*, const wire::ReportProgressRequest*,
                              wire::ReportProgressResponse*) override;
  grpc::Status ReadBlob(Context*, const wire::ReadBlobRequest*, wire::ReadBlobResponse*) override;
  grpc::Status WriteBlob(Context*, const wire::WriteBlobRequest*,
                         wire::WriteBlobResponse*) override;
  grpc::Status CommitCheckpoint(Context*, const wire::CommitCheckpointRequest*,
                                wire::CommitCheckpointResponse*) override;
  grpc::Status CompleteJob(Context*, const wire::CompleteJobRequest*,
                           wire::CompleteJobResponse*) override;
  grpc::Status FailJob(Context*, const wire::FailJobRequest*, wire::FailJobResponse*) override;
  grpc::Status ReleaseJob(Context*, const wire::ReleaseJobRequest*,
                          wire::ReleaseJobResponse*) override;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<wire::Lease> offered_;
  std::string address_ = "127.0.0.1:0";
  std::unique_ptr<GrpcServer> server_;
};

}  // namespace espalier::server::testing_
