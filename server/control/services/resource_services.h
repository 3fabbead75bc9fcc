// Models, data sets and the uploads that fill them.
#pragma once

#include "espalier/v1/dataset.grpc.pb.h"
#include "espalier/v1/model.grpc.pb.h"
#include "espalier/v1/upload.grpc.pb.h"
#include "server/control/services/desk.h"

namespace espalier::server {

class ModelService : public espalier::v1::ModelService::Service {
 public:
  explicit ModelService(Desk& desk) : desk_(desk) {}
  grpc::Status CreateModel(grpc::ServerContext* context,
                           const espalier::v1::CreateModelRequest* request,
                           espalier::v1::CreateModelResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context, const espalier::v1::GetModelRequest* request,
                        espalier::v1::GetModelResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext* context,
                          const espalier::v1::ListModelsRequest* request,
                          espalier::v1::ListModelsResponse* response) override;
  grpc::Status DeleteModel(grpc::ServerContext* context,
                           const espalier::v1::DeleteModelRequest* request,
                           espalier::v1::DeleteModelResponse* response) override;

 private:
  Desk& desk_;
};

class DatasetService : public espalier::v1::DatasetService::Service {
 public:
  explicit DatasetService(Desk& desk) : desk_(desk) {}
  grpc::Status CreateDataset(grpc::ServerContext* context,
                             const espalier::v1::CreateDatasetRequest* request,
                             espalier::v1::CreateDatasetResponse* response) override;
  grpc::Status GetDataset(grpc::ServerContext* context,
                          const espalier::v1::GetDatasetRequest* request,
                          espalier::v1::GetDatasetResponse* response) override;
  grpc::Status ListDatasets(grpc::ServerContext* context,
                            const espalier::v1::ListDatasetsRequest* request,
                            espalier::v1::ListDatasetsResponse* response) override;
  grpc::Status DeleteDataset(grpc::ServerContext* context,
                             const espalier::v1::DeleteDatasetRequest* request,
                             espalier::v1::DeleteDatasetResponse* response) override;

 private:
  Desk& desk_;
};

class UploadService : public espalier::v1::UploadService::Service {
 public:
  explicit UploadService(Desk& desk) : desk_(desk) {}
  grpc::Status GetUpload(grpc::ServerContext* context,
                         const espalier::v1::GetUploadRequest* request,
                         espalier::v1::GetUploadResponse* response) override;
  grpc::Status WriteChunk(grpc::ServerContext* context,
                          const espalier::v1::WriteChunkRequest* request,
                          espalier::v1::WriteChunkResponse* response) override;
  grpc::Status FinalizeUpload(grpc::ServerContext* context,
                              const espalier::v1::FinalizeUploadRequest* request,
                              espalier::v1::FinalizeUploadResponse* response) override;

 private:
  Desk& desk_;
};

}  // namespace espalier::server
