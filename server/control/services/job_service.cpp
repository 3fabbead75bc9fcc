#include "server/control/services/job_service.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/spec/families.h"
#include "core/spec/image_split.h"
#include "core/spec/recipe.h"
#include "core/spec/tasks.h"
#include "server/common/serve.h"
#include "server/control/convert.h"
#include "server/control/services/new_job.h"
#include "server/control/services/user_fields.h"

namespace espalier::server {

using namespace espalier::v1;  // NOLINT: messages only

namespace {

constexpr int kEventsAtOnce = 200;

absl::StatusOr<JobQuery> job_query(const ListJobsRequest& request, const std::string& filter) {
  JobQuery query;
  ESPALIER_ASSIGN_OR_RETURN(static_cast<PageQuery&>(query), page_query(request, filter));
  if (!request.order_by().empty() && request.order_by() != "create_time" &&
      request.order_by() != "create_time desc") {
    return with_reason(
        absl::InvalidArgumentError(absl::StrCat("order_by is \"", request.order_by(),
                                                "\"; known: create_time, create_time desc")),
        "BAD_ORDER", "order_by");
  }
  query.oldest_first = request.order_by() == "create_time";
  for (int state : request.states()) query.states.push_back(static_cast<JobState>(state));
  return query;
}

// Whether the job's model reads what the data set holds, and a job could hold all of it.
absl::Status check_model(const Desk& desk, const Job& job, const Dataset& dataset,
                         const TaskKind& kind) {
  ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(job.model(), "models"));
  const auto resource = desk.store.resource(ResourceKind::kModel, key);
  if (!resource.ok()) return absl::OkStatus();  // the store's to tell
  const Model model = model_of(*resource);
  const FamilyFacts* family = find_family(model.family());
  if (family == nullptr) return absl::OkStatus();  // it is not READY
  if (auto read = check_reads(kind, reads_of(family->defaults), model.family()); !read.ok())
    return with_reason(read, "OTHER_INPUTS", "job.dataset");
  int64_t rows = 0;
  for (const auto& split : dataset.splits()) rows += static_cast<int64_t>(split.rows());
  return with_reason(check_pixel_memory(rows, model.channels(), model.image_size()),
                     "TOO_MANY_PIXELS", "job.dataset");
}

// The data set that a job names, if it is there; else new_job or the store has to tell.
std::optional<Dataset> named_dataset(const Desk& desk, const Job& job) {
  const auto key = parse_name(job.dataset(), "datasets");
  if (!key.ok()) return std::nullopt;
  const auto resource = desk.store.resource(ResourceKind::kDataset, *key);
  if (!resource.ok()) return std::nullopt;
  return dataset_of(*resource);
}

// What a recipe cannot ask of its data set's task, said now rather than by a worker.
absl::Status check_task(const Desk& desk, const Job& job, const Dataset& dataset,
                        const TaskKind& kind) {
  ESPALIER_RETURN_IF_ERROR(check_model(desk, job, dataset, kind));
  ESPALIER_ASSIGN_OR_RETURN(const Json resolved, to_json(job.resolved_recipe()));
  ESPALIER_ASSIGN_OR_RETURN(const RecipeSpec recipe, read_recipe(resolved));
  absl::Status status = check_exit_method(kind, recipe.exit.name);
  // Labels that are not listed are known when the data set has been read.
  if (status.ok() && (dataset.label_names_size() > 0 || fewest_labels(kind.objective) == 0)) {
    status =
        check_metric(kind.objective, {dataset.label_names().begin(), dataset.label_names().end()},
                     recipe.constraint_metric);
  }
  return status.ok() ? status : with_reason(status, "BAD_RECIPE", "job.recipe");
}

// A job that only the store may still refuse.
absl::StatusOr<Job> checked_job(const Desk& desk, const CreateJobRequest& request) {
  const std::optional<Dataset> dataset = named_dataset(desk, request.job());
  std::optional<TaskKind> task;
  if (dataset) {
    ESPALIER_ASSIGN_OR_RETURN(task, find_task(dataset->task()));
  }
  ESPALIER_ASSIGN_OR_RETURN(Job job, new_job(request, desk.catalogue, task));
  if (dataset) ESPALIER_RETURN_IF_ERROR(check_task(desk, job, *dataset, *task));
  return job;
}

}  // namespace

grpc::Status JobService::CreateJob(grpc::ServerContext* context, const CreateJobRequest* request,
                                   CreateJobResponse* response) {
  return serve("CreateJob", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(Job job, checked_job(desk_, *request));
    ESPALIER_ASSIGN_OR_RETURN(
        *response->mutable_job(),
        desk_.store.create_job(std::move(job), request_of(*request), request->validate_only()));
    if (request->validate_only()) return absl::OkStatus();
    spdlog::info("{} is {}", response->job().name(), state_name(response->job().state()));
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status JobService::GetJob(grpc::ServerContext* context, const GetJobRequest* request,
                                GetJobResponse* response) {
  return serve("GetJob", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "jobs"));
    ESPALIER_ASSIGN_OR_RETURN(*response->mutable_job(), desk_.store.job(key));
    return absl::OkStatus();
  });
}

grpc::Status JobService::ListJobs(grpc::ServerContext* context, const ListJobsRequest* request,
                                  ListJobsResponse* response) {
  return serve("ListJobs", desk_.metrics, context, [&]() -> absl::Status {
    const std::string filter =
        absl::StrCat("jobs|", absl::StrJoin(request->states(), ","), "|", request->order_by());
    ESPALIER_ASSIGN_OR_RETURN(const JobQuery query, job_query(*request, filter));
    ESPALIER_ASSIGN_OR_RETURN(auto page, desk_.store.jobs(query));
    for (Job& job : page.rows) *response->add_jobs() = std::move(job);
    response->set_next_page_token(next_token(page.next, *request, filter));
    return absl::OkStatus();
  });
}

grpc::Status JobService::CancelJob(grpc::ServerContext* context, const CancelJobRequest* request,
                                   CancelJobResponse* response) {
  return serve("CancelJob", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "jobs"));
    ESPALIER_ASSIGN_OR_RETURN(*response->mutable_job(), desk_.store.cancel_job(key));
    spdlog::info("{} is {}", request->name(), state_name(response->job().state()));
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status JobService::DeleteJob(grpc::ServerContext* context, const DeleteJobRequest* request,
                                   DeleteJobResponse*) {
  return serve("DeleteJob", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "jobs"));
    ESPALIER_RETURN_IF_ERROR(desk_.store.delete_job(key));
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status JobService::WatchJob(grpc::ServerContext* context, const WatchJobRequest* request,
                                  grpc::ServerWriter<WatchJobResponse>* writer) {
  return serve("WatchJob", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "jobs"));
    return watch(context, key, request->after_seq(), *writer);
  });
}

absl::Status JobService::watch(grpc::ServerContext* context, const Key& key, uint64_t after_seq,
                               grpc::ServerWriter<WatchJobResponse>& writer) {
  auto slot = watchers_.take();
  if (!slot)
    return absl::ResourceExhaustedError(
        "too many watches run; poll with GetJob, or try again later");
  while (!context->IsCancelled()) {
    const uint64_t seen = desk_.notifier.version();
    ESPALIER_ASSIGN_OR_RETURN(const Job job,
                              desk_.store.job(key));  // before the events: none is missed
    ESPALIER_ASSIGN_OR_RETURN(const auto events, desk_.store.events(key, after_seq, kEventsAtOnce));
    for (const JobEvent& event : events) {
      WatchJobResponse response;
      *response.mutable_event() = event;
      if (!writer.Write(response)) return absl::CancelledError("the client has gone");
      after_seq = event.seq();
    }
    if (events.size() == kEventsAtOnce) continue;
    if (has_ended(job.state())) return absl::OkStatus();
    if (desk_.notifier.is_stopped()) {
      return with_reason(absl::UnavailableError(absl::StrCat(
                             "espalierd is stopping; watch again after_seq ", after_seq)),
                         "STOPPING");
    }
    desk_.notifier.wait(seen, kLook);
  }
  return absl::CancelledError("the client has gone");
}

}  // namespace espalier::server
