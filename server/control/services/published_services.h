// What one may name in a recipe, what jobs have published, and what shall be served.
#pragma once

#include "espalier/v1/artifact.grpc.pb.h"
#include "espalier/v1/endpoint.grpc.pb.h"
#include "espalier/v1/method.grpc.pb.h"
#include "server/control/services/desk.h"

namespace espalier::server {

class MethodService : public espalier::v1::MethodService::Service {
 public:
  explicit MethodService(Desk& desk) : desk_(desk) {}
  grpc::Status ListMethods(grpc::ServerContext* context,
                           const espalier::v1::ListMethodsRequest* request,
                           espalier::v1::ListMethodsResponse* response) override;

 private:
  Desk& desk_;
};

class ArtifactService : public espalier::v1::ArtifactService::Service {
 public:
  explicit ArtifactService(Desk& desk) : desk_(desk) {}
  grpc::Status GetArtifact(grpc::ServerContext* context,
                           const espalier::v1::GetArtifactRequest* request,
                           espalier::v1::GetArtifactResponse* response) override;
  grpc::Status ListArtifacts(grpc::ServerContext* context,
                             const espalier::v1::ListArtifactsRequest* request,
                             espalier::v1::ListArtifactsResponse* response) override;
  grpc::Status ReadArtifactFile(grpc::ServerContext* context,
                                const espalier::v1::ReadArtifactFileRequest* request,
                                espalier::v1::ReadArtifactFileResponse* response) override;
  grpc::Status GetReport(grpc::ServerContext* context,
                         const espalier::v1::GetReportRequest* request,
                         espalier::v1::GetReportResponse* response) override;
  grpc::Status DeleteArtifact(grpc::ServerContext* context,
                              const espalier::v1::DeleteArtifactRequest* request,
                              espalier::v1::DeleteArtifactResponse* response) override;

 private:
  Desk& desk_;
};

class EndpointService : public espalier::v1::EndpointService::Service {
 public:
  explicit EndpointService(Desk& desk) : desk_(desk) {}
  grpc::Status SetEndpoint(grpc::ServerContext* context,
                           const espalier::v1::SetEndpointRequest* request,
                           espalier::v1::SetEndpointResponse* response) override;
  grpc::Status GetEndpoint(grpc::ServerContext* context,
                           const espalier::v1::GetEndpointRequest* request,
                           espalier::v1::GetEndpointResponse* response) override;
  grpc::Status ListEndpoints(grpc::ServerContext* context,
                             const espalier::v1::ListEndpointsRequest* request,
                             espalier::v1::ListEndpointsResponse* response) override;
  grpc::Status DeleteEndpoint(grpc::ServerContext* context,
                              const espalier::v1::DeleteEndpointRequest* request,
                              espalier::v1::DeleteEndpointResponse* response) override;
  grpc::Status WatchEndpoints(
      grpc::ServerContext* context, const espalier::v1::WatchEndpointsRequest* request,
      grpc::ServerWriter<espalier::v1::WatchEndpointsResponse>* writer) override;

 private:
  absl::Status watch(grpc::ServerContext* context, const std::string& project,
                     grpc::ServerWriter<espalier::v1::WatchEndpointsResponse>& writer);

  Desk& desk_;
  Slots watchers_{64};
};

}  // namespace espalier::server
