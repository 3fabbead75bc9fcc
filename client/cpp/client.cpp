#include "client/cpp/client.h"

#include "client/cpp/connection.h"
#include "client/cpp/names.h"
#include "core/base/status_macros.h"

namespace espalier::client {
namespace {

// The three shapes that every resource has: one by name, all pages of a project, delete.
template <class Request, class Response, class Stub>
absl::StatusOr<Response> by_name(const Connection& connection, Stub& stub,
                                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                                 std::string name) {
  Request request;
  request.set_name(std::move(name));
  Response response;
  ESPALIER_RETURN_IF_ERROR(connection.call(stub, method, request, &response));
  return response;
}

template <class Request, class Response, class Stub>
absl::StatusOr<Response> all_pages(const Connection& connection, Stub& stub,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                   Request request) {
  Response all;
  request.set_page_size(200);
  do {
    Response page;
    ESPALIER_RETURN_IF_ERROR(connection.call(stub, method, request, &page));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  return all;
}

template <class Request>
Request of_project(const std::string& project) {
  Request request;
  request.set_parent(project_name(project));
  return request;
}

}  // namespace

Client::Client(Options options)
    : options_(std::move(options)), connection_(std::make_unique<Connection>(options_.address)) {}
Client::~Client() = default;

std::string Client::name(const char* collection, const std::string& id) const {
  return resource_name(options_.project, collection, id);
}

absl::StatusOr<v1::Model> Client::get_model(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response, by_name(*connection_, *connection_->models, &v1::ModelService::Stub::GetModel,
                             name("models", id)));
  return std::move(*response.mutable_model());
}
absl::StatusOr<v1::ListModelsResponse> Client::list_models() {
  return all_pages(*connection_, *connection_->models, &v1::ModelService::Stub::ListModels,
                   of_project<v1::ListModelsRequest>(options_.project));
}
absl::Status Client::delete_model(const std::string& id) {
  return by_name(*connection_, *connection_->models, &v1::ModelService::Stub::DeleteModel,
                 name("models", id))
      .status();
}

absl::StatusOr<v1::Dataset> Client::get_dataset(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(auto response,
                            by_name(*connection_, *connection_->datasets,
                                    &v1::DatasetService::Stub::GetDataset, name("datasets", id)));
  return std::move(*response.mutable_dataset());
}
absl::StatusOr<v1::ListDatasetsResponse> Client::list_datasets() {
  return all_pages(*connection_, *connection_->datasets, &v1::DatasetService::Stub::ListDatasets,
                   of_project<v1::ListDatasetsRequest>(options_.project));
}
absl::Status Client::delete_dataset(const std::string& id) {
  return by_name(*connection_, *connection_->datasets, &v1::DatasetService::Stub::DeleteDataset,
                 name("datasets", id))
      .status();
}

absl::StatusOr<v1::ListMethodsResponse> Client::list_methods(v1::Method::Kind kind) {
  v1::ListMethodsRequest request;
  request.set_kind(kind);
  v1::ListMethodsResponse response;
  ESPALIER_RETURN_IF_ERROR(connection_->call(
      *connection_->methods, &v1::MethodService::Stub::ListMethods, request, &response));
  return response;
}

absl::StatusOr<v1::Job> Client::create_job(const std::string& id, v1::Job job, bool validate_only) {
  auto request = of_project<v1::CreateJobRequest>(options_.project);
  request.set_job_id(id);
  request.set_validate_only(validate_only);
  job.set_model(name("models", job.model()));
  if (!job.dataset().empty()) job.set_dataset(name("datasets", job.dataset()));
  for (auto& earlier : *job.mutable_after()) earlier = name("jobs", earlier);
  for (auto& teacher : *job.mutable_teachers())
    if (teacher != "dense") teacher = name("models", teacher);
  *request.mutable_job() = std::move(job);
  v1::CreateJobResponse response;
  ESPALIER_RETURN_IF_ERROR(
      connection_->call(*connection_->jobs, &v1::JobService::Stub::CreateJob, request, &response));
  return std::move(*response.mutable_job());
}
absl::StatusOr<v1::Job> Client::get_job(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response,
      by_name(*connection_, *connection_->jobs, &v1::JobService::Stub::GetJob, name("jobs", id)));
  return std::move(*response.mutable_job());
}
absl::StatusOr<v1::ListJobsResponse> Client::list_jobs(const std::vector<v1::Job::State>& states) {
  auto request = of_project<v1::ListJobsRequest>(options_.project);
  for (auto state : states) request.add_states(state);
  return all_pages(*connection_, *connection_->jobs, &v1::JobService::Stub::ListJobs,
                   std::move(request));
}
absl::StatusOr<v1::Job> Client::cancel_job(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response, by_name(*connection_, *connection_->jobs, &v1::JobService::Stub::CancelJob,
                             name("jobs", id)));
  return std::move(*response.mutable_job());
}
absl::Status Client::delete_job(const std::string& id) {
  return by_name(*connection_, *connection_->jobs, &v1::JobService::Stub::DeleteJob,
                 name("jobs", id))
      .status();
}

absl::StatusOr<v1::Artifact> Client::get_artifact(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response, by_name(*connection_, *connection_->artifacts,
                             &v1::ArtifactService::Stub::GetArtifact, name("artifacts", id)));
  return std::move(*response.mutable_artifact());
}
absl::StatusOr<v1::ListArtifactsResponse> Client::list_artifacts() {
  return all_pages(*connection_, *connection_->artifacts, &v1::ArtifactService::Stub::ListArtifacts,
                   of_project<v1::ListArtifactsRequest>(options_.project));
}
absl::StatusOr<google::protobuf::Struct> Client::get_report(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(auto response,
                            by_name(*connection_, *connection_->artifacts,
                                    &v1::ArtifactService::Stub::GetReport, name("artifacts", id)));
  return std::move(*response.mutable_report());
}
absl::Status Client::delete_artifact(const std::string& id) {
  return by_name(*connection_, *connection_->artifacts, &v1::ArtifactService::Stub::DeleteArtifact,
                 name("artifacts", id))
      .status();
}

absl::StatusOr<v1::Endpoint> Client::set_endpoint(v1::Endpoint endpoint) {
  endpoint.set_name(name("endpoints", endpoint.name()));
  for (auto& route : *endpoint.mutable_routes())
    route.set_artifact(name("artifacts", route.artifact()));
  v1::SetEndpointRequest request;
  *request.mutable_endpoint() = std::move(endpoint);
  v1::SetEndpointResponse response;
  ESPALIER_RETURN_IF_ERROR(connection_->call(
      *connection_->endpoints, &v1::EndpointService::Stub::SetEndpoint, request, &response));
  return std::move(*response.mutable_endpoint());
}
absl::StatusOr<v1::Endpoint> Client::get_endpoint(const std::string& id) {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response, by_name(*connection_, *connection_->endpoints,
                             &v1::EndpointService::Stub::GetEndpoint, name("endpoints", id)));
  return std::move(*response.mutable_endpoint());
}
absl::StatusOr<v1::ListEndpointsResponse> Client::list_endpoints() {
  return all_pages(*connection_, *connection_->endpoints, &v1::EndpointService::Stub::ListEndpoints,
                   of_project<v1::ListEndpointsRequest>(options_.project));
}
absl::Status Client::delete_endpoint(const std::string& id) {
  return by_name(*connection_, *connection_->endpoints, &v1::EndpointService::Stub::DeleteEndpoint,
                 name("endpoints", id))
      .status();
}

}  // namespace espalier::client
