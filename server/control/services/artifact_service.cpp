#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "server/common/serve.h"
#include "server/control/convert.h"
#include "server/control/services/published_services.h"
#include "server/control/services/user_fields.h"

namespace espalier::server {

using namespace espalier::v1;  // NOLINT: messages only

namespace {

constexpr uint64_t kLongestReport = 16 << 20;

absl::StatusOr<File> find_file(const Artifact& artifact, const std::string& path) {
  for (const File& file : artifact.files()) {
    if (file.path() == path) return file;
  }
  return with_reason(
      absl::NotFoundError(absl::StrCat(
          artifact.name(), " has no file \"", path, "\"; it has ",
          absl::StrJoin(artifact.files(), ", ",
                        [](std::string* out, const File& file) { out->append(file.path()); }))),
      "NOT_FOUND", "path");
}

}  // namespace

grpc::Status ArtifactService::GetArtifact(grpc::ServerContext* context,
                                          const GetArtifactRequest* request,
                                          GetArtifactResponse* response) {
  return serve("GetArtifact", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "artifacts"));
    ESPALIER_ASSIGN_OR_RETURN(*response->mutable_artifact(), desk_.store.artifact(key));
    return absl::OkStatus();
  });
}

grpc::Status ArtifactService::ListArtifacts(grpc::ServerContext* context,
                                            const ListArtifactsRequest* request,
                                            ListArtifactsResponse* response) {
  return serve("ListArtifacts", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const PageQuery query, page_query(*request, "artifacts"));
    ESPALIER_ASSIGN_OR_RETURN(auto page, desk_.store.artifacts(query));
    for (Artifact& artifact : page.rows) *response->add_artifacts() = std::move(artifact);
    response->set_next_page_token(next_token(page.next, *request, "artifacts"));
    return absl::OkStatus();
  });
}

grpc::Status ArtifactService::ReadArtifactFile(grpc::ServerContext* context,
                                               const ReadArtifactFileRequest* request,
                                               ReadArtifactFileResponse* response) {
  return serve("ReadArtifactFile", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "artifacts"));
    ESPALIER_ASSIGN_OR_RETURN(const Artifact artifact, desk_.store.artifact(key));
    ESPALIER_ASSIGN_OR_RETURN(const File file, find_file(artifact, request->path()));
    ESPALIER_ASSIGN_OR_RETURN(
        *response->mutable_data(),
        desk_.blobs.read(key.project, file.sha256(), request->offset(), request->limit()));
    return absl::OkStatus();
  });
}

grpc::Status ArtifactService::GetReport(grpc::ServerContext* context,
                                        const GetReportRequest* request,
                                        GetReportResponse* response) {
  return serve("GetReport", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "artifacts"));
    ESPALIER_ASSIGN_OR_RETURN(const Artifact artifact, desk_.store.artifact(key));
    ESPALIER_ASSIGN_OR_RETURN(const File file, find_file(artifact, "report.json"));
    if (file.size() > kLongestReport) {
      return absl::FailedPreconditionError(
          absl::StrCat("report.json has ", file.size(), " bytes; read it with ReadArtifactFile"));
    }
    std::string text;
    while (text.size() < file.size()) {
      ESPALIER_ASSIGN_OR_RETURN(const std::string part, desk_.blobs.read(key.project, file.sha256(),
                                                                         text.size(), kMaxChunk));
      if (part.empty()) break;
      text += part;
    }
    const Json report = Json::parse(text, nullptr, false);
    if (!report.is_object()) return absl::DataLossError("report.json is no JSON object");
    ESPALIER_ASSIGN_OR_RETURN(*response->mutable_report(), to_struct(report));
    return absl::OkStatus();
  });
}

grpc::Status ArtifactService::DeleteArtifact(grpc::ServerContext* context,
                                             const DeleteArtifactRequest* request,
                                             DeleteArtifactResponse*) {
  return serve("DeleteArtifact", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "artifacts"));
    return desk_.store.delete_artifact(key);
  });
}

}  // namespace espalier::server
