// Jobs as users submit, watch and stop them.
#pragma once

#include "espalier/v1/job.grpc.pb.h"
#include "server/control/services/desk.h"

namespace espalier::server {

class JobService : public espalier::v1::JobService::Service {
 public:
  explicit JobService(Desk& desk) : desk_(desk) {}
  grpc::Status CreateJob(grpc::ServerContext* context,
                         const espalier::v1::CreateJobRequest* request,
                         espalier::v1::CreateJobResponse* response) override;
  grpc::Status GetJob(grpc::ServerContext* context, const espalier::v1::GetJobRequest* request,
                      espalier::v1::GetJobResponse* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const espalier::v1::ListJobsRequest* request,
                        espalier::v1::ListJobsResponse* response) override;
  grpc::Status CancelJob(grpc::ServerContext* context,
                         const espalier::v1::CancelJobRequest* request,
                         espalier::v1::CancelJobResponse* response) override;
  grpc::Status DeleteJob(grpc::ServerContext* context,
                         const espalier::v1::DeleteJobRequest* request,
                         espalier::v1::DeleteJobResponse* response) override;
  grpc::Status WatchJob(grpc::ServerContext* context, const espalier::v1::WatchJobRequest* request,
                        grpc::ServerWriter<espalier::v1::WatchJobResponse>* writer) override;

 private:
  absl::Status watch(grpc::ServerContext* context, const Key& key, uint64_t after_seq,
                     grpc::ServerWriter<espalier::v1::WatchJobResponse>& writer);

  Desk& desk_;
  Slots watchers_{128};
};

}  // namespace espalier::server
