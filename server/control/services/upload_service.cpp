#include "core/base/status_macros.h"
#include "server/common/serve.h"
#include "server/control/services/resource_services.h"

namespace espalier::server {

using namespace espalier::v1;  // NOLINT: messages only

namespace {

absl::StatusOr<UploadRow> find(Desk& desk, const std::string& name) {
  ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(name, "uploads"));
  return desk.store.upload(key);
}

absl::Status describe(Desk& desk, const UploadRow& row, Upload& out) {
  out.set_name(make_name(row.key, "uploads"));
  out.set_size(row.size);
  out.set_finalized(row.finalized);
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t committed, desk.blobs.committed(row));
  out.set_committed(committed);
  return absl::OkStatus();
}

}  // namespace

grpc::Status UploadService::GetUpload(grpc::ServerContext* context, const GetUploadRequest* request,
                                      GetUploadResponse* response) {
  return serve("GetUpload", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const UploadRow row, find(desk_, request->name()));
    return describe(desk_, row, *response->mutable_upload());
  });
}

grpc::Status UploadService::WriteChunk(grpc::ServerContext* context,
                                       const WriteChunkRequest* request,
                                       WriteChunkResponse* response) {
  return serve("WriteChunk", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const UploadRow row, find(desk_, request->upload()));
    ESPALIER_ASSIGN_OR_RETURN(
        const uint64_t committed,
        desk_.blobs.write(row, Chunk{request->offset(), request->data(), request->crc32c()}));
    response->set_committed(committed);
    return absl::OkStatus();
  });
}

grpc::Status UploadService::FinalizeUpload(grpc::ServerContext* context,
                                           const FinalizeUploadRequest* request,
                                           FinalizeUploadResponse* response) {
  return serve("FinalizeUpload", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(UploadRow row, find(desk_, request->name()));
    ESPALIER_ASSIGN_OR_RETURN(auto whole, desk_.blobs.finalize(row));
    if (whole) desk_.validator.submit(*std::move(whole));
    row.finalized = true;
    return describe(desk_, row, *response->mutable_upload());
  });
}

}  // namespace espalier::server
