// How workers get and report their work.
#pragma once

#include "espalier/worker/v1/worker.grpc.pb.h"
#include "server/control/services/desk.h"

namespace espalier::server {

class WorkerService : public espalier::worker::v1::WorkerService::Service {
 public:
  explicit WorkerService(Desk& desk) : desk_(desk) {}

#define ESPALIER_WORKER_RPC(Name)                                       \
  grpc::Status Name(grpc::ServerContext* context,                       \
                    const espalier::worker::v1::Name##Request* request, \
                    espalier::worker::v1::Name##Response* response) override;
  ESPALIER_WORKER_RPC(RegisterWorker)
  ESPALIER_WORKER_RPC(LeaseJob)
  ESPALIER_WORKER_RPC(Heartbeat)
  ESPALIER_WORKER_RPC(ReportProgress)
  ESPALIER_WORKER_RPC(ReadBlob)
  ESPALIER_WORKER_RPC(WriteBlob)
  ESPALIER_WORKER_RPC(CommitCheckpoint)
  ESPALIER_WORKER_RPC(CompleteJob)
  ESPALIER_WORKER_RPC(FailJob)
  ESPALIER_WORKER_RPC(ReleaseJob)
#undef ESPALIER_WORKER_RPC

 private:
  // serve() for calls under a lease: reads the token, knows the worker as alive, counts stale
  // fences.
  template <class RequestMessage, class F>
  grpc::Status serve_held(const char* method, grpc::ServerContext* context,
                          const RequestMessage& request, F&& function);
  absl::StatusOr<std::optional<Claim>> wait_for_job(grpc::ServerContext* context,
                                                    const espalier::worker::v1::WorkerInfo& worker,
                                                    double seconds);

  Desk& desk_;
  Slots pollers_{128};
};

}  // namespace espalier::server
