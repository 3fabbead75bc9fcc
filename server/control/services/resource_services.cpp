#include "server/control/services/resource_services.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/class_folders.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/tasks.h"
#include "server/common/serve.h"
#include "server/control/convert.h"
#include "server/control/services/user_fields.h"

namespace espalier::server {

using namespace espalier::v1;  // NOLINT: messages only

namespace {

// The columns that are read where none are named.
void name_columns(Dataset& body) {
  const absl::StatusOr<TaskKind> kind = find_task(body.task());
  if (kind.ok() && kind->objective == Objective::kSpan) return;  // SQuAD files have none
  const bool images = kind.ok() && kind->reads == Reads::kImage;
  const auto is_archive = [](const auto& split) { return is_archive_name(split.path()); };
  if (images && std::all_of(body.splits().begin(), body.splits().end(), is_archive)) return;
  std::string& read = images ? *body.mutable_image_column() : *body.mutable_text_column();
  if (read.empty()) read = images ? "image" : "text";
  const bool has_labels = !kind.ok() || needs_labels(kind->objective);
  if (has_labels && body.label_column().empty()) body.set_label_column("label");
}

// Paths that a data set's splits name must be among its files; the rest core checks.
absl::Status check_dataset(const Dataset& dataset, const Resource& resource) {
  auto spec = read_dataset_spec(dataset_spec_of(resource), ".");
  if (!spec.ok()) return with_reason(spec.status(), "BAD_DATASET", "dataset");
  std::set<std::string> paths;
  for (const auto& file : dataset.files()) paths.insert(file.path());
  for (const auto& split : dataset.splits()) {
    if (paths.count(split.path()) > 0) continue;
    return with_reason(
        absl::InvalidArgumentError(absl::StrCat("split ", split.name(), " is to be ", split.path(),
                                                ", which is not among the files")),
        "BAD_DATASET", "dataset.splits");
  }
  return absl::OkStatus();
}

// Creates, and sends what needs no bytes straight to its check.
absl::StatusOr<Resource> create(Desk& desk, Resource resource, const Request& request,
                                bool validate_only) {
  if (validate_only) return resource;
  ESPALIER_ASSIGN_OR_RETURN(Resource made,
                            desk.store.create_resource(std::move(resource), request));
  spdlog::info("{} is {}", make_name(made.key, collection_of(made.kind)), state_name(made.state));
  if (made.state == ResourceState::kValidating) desk.validator.submit(made);
  return made;
}

// Body: everything but what the store keeps beside it and what only we may set.
template <class Message>
std::string body_of(Message message) {
  message.clear_name();
  message.clear_files();
  message.clear_state();
  message.clear_failure();
  message.clear_create_time();
  return message.SerializeAsString();
}

}  // namespace

grpc::Status ModelService::CreateModel(grpc::ServerContext* context,
                                       const CreateModelRequest* request,
                                       CreateModelResponse* response) {
  return serve("CreateModel", desk_.metrics, context, [&]() -> absl::Status {
    Resource resource{ResourceKind::kModel};
    ESPALIER_ASSIGN_OR_RETURN(resource.key,
                              new_key(request->parent(), request->model_id(), "model_id"));
    ESPALIER_RETURN_IF_ERROR(check_user_fields(request->model(), request->request_id()));
    ESPALIER_ASSIGN_OR_RETURN(resource.files, read_files(request->model().files(), "model.files"));
    Model body = request->model();
    body.clear_family();
    body.clear_parameters();
    body.clear_layers();
    body.clear_hidden();
    body.clear_image_size();
    body.clear_channels();
    resource.body = body_of(std::move(body));
    ESPALIER_ASSIGN_OR_RETURN(
        const Resource made,
        create(desk_, std::move(resource), request_of(*request), request->validate_only()));
    *response->mutable_model() = model_of(made);
    return absl::OkStatus();
  });
}

grpc::Status ModelService::GetModel(grpc::ServerContext* context, const GetModelRequest* request,
                                    GetModelResponse* response) {
  return serve("GetModel", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "models"));
    ESPALIER_ASSIGN_OR_RETURN(const Resource resource,
                              desk_.store.resource(ResourceKind::kModel, key));
    *response->mutable_model() = model_of(resource);
    return absl::OkStatus();
  });
}

grpc::Status ModelService::ListModels(grpc::ServerContext* context,
                                      const ListModelsRequest* request,
                                      ListModelsResponse* response) {
  return serve("ListModels", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const PageQuery query, page_query(*request, "models"));
    ESPALIER_ASSIGN_OR_RETURN(const auto page, desk_.store.resources(ResourceKind::kModel, query));
    for (const Resource& resource : page.rows) *response->add_models() = model_of(resource);
    response->set_next_page_token(next_token(page.next, *request, "models"));
    return absl::OkStatus();
  });
}

grpc::Status ModelService::DeleteModel(grpc::ServerContext* context,
                                       const DeleteModelRequest* request, DeleteModelResponse*) {
  return serve("DeleteModel", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "models"));
    return desk_.store.delete_resource(ResourceKind::kModel, key);
  });
}

grpc::Status DatasetService::CreateDataset(grpc::ServerContext* context,
                                           const CreateDatasetRequest* request,
                                           CreateDatasetResponse* response) {
  return serve("CreateDataset", desk_.metrics, context, [&]() -> absl::Status {
    Resource resource{ResourceKind::kDataset};
    ESPALIER_ASSIGN_OR_RETURN(resource.key,
                              new_key(request->parent(), request->dataset_id(), "dataset_id"));
    ESPALIER_RETURN_IF_ERROR(check_user_fields(request->dataset(), request->request_id()));
    ESPALIER_ASSIGN_OR_RETURN(resource.files,
                              read_files(request->dataset().files(), "dataset.files"));
    Dataset body = request->dataset();
    if (body.task().empty()) body.set_task("text-classification");
    name_columns(body);
    for (auto& split : *body.mutable_splits()) split.clear_rows();
    resource.body = body_of(std::move(body));
    ESPALIER_RETURN_IF_ERROR(check_dataset(request->dataset(), resource));
    ESPALIER_ASSIGN_OR_RETURN(
        const Resource made,
        create(desk_, std::move(resource), request_of(*request), request->validate_only()));
    *response->mutable_dataset() = dataset_of(made);
    return absl::OkStatus();
  });
}

grpc::Status DatasetService::GetDataset(grpc::ServerContext* context,
                                        const GetDatasetRequest* request,
                                        GetDatasetResponse* response) {
  return serve("GetDataset", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "datasets"));
    ESPALIER_ASSIGN_OR_RETURN(const Resource resource,
                              desk_.store.resource(ResourceKind::kDataset, key));
    *response->mutable_dataset() = dataset_of(resource);
    return absl::OkStatus();
  });
}

grpc::Status DatasetService::ListDatasets(grpc::ServerContext* context,
                                          const ListDatasetsRequest* request,
                                          ListDatasetsResponse* response) {
  return serve("ListDatasets", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const PageQuery query, page_query(*request, "datasets"));
    ESPALIER_ASSIGN_OR_RETURN(const auto page,
                              desk_.store.resources(ResourceKind::kDataset, query));
    for (const Resource& resource : page.rows) *response->add_datasets() = dataset_of(resource);
    response->set_next_page_token(next_token(page.next, *request, "datasets"));
    return absl::OkStatus();
  });
}

grpc::Status DatasetService::DeleteDataset(grpc::ServerContext* context,
                                           const DeleteDatasetRequest* request,
                                           DeleteDatasetResponse*) {
  return serve("DeleteDataset", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "datasets"));
    return desk_.store.delete_resource(ResourceKind::kDataset, key);
  });
}

}  // namespace espalier::server
