#include "server/control/control_plane.h"

#include <spdlog/spdlog.h>

#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/common/admin_server.h"
#include "server/common/grpc_server.h"
#include "server/control/blob_keeper.h"
#include "server/control/local_blob_store.h"
#include "server/control/services/job_service.h"
#include "server/control/services/published_services.h"
#include "server/control/services/resource_services.h"
#include "server/control/services/worker_service.h"
#include "server/control/sqlite/sqlite_job_store.h"
#include "server/control/upkeep.h"
#include "server/control/validator.h"

namespace espalier::server {
namespace {

// Long polls and watches (see their Slots) and room for short calls.
constexpr int kThreads = 400;

}  // namespace

// In the order in which things stand on each other; destroyed from the end.
struct ControlPlane::Impl {
  Impl(Catalogue catalogue, const Clock& clock, Inspector& inspector,
       std::unique_ptr<JobStore> job_store, std::unique_ptr<BlobStore> blob_store,
       const ControlOptions& options)
      : methods(std::move(catalogue)),
        store(std::move(job_store)),
        bytes(std::move(blob_store)),
        workers(clock),
        measured(metrics),
        blobs(*store, *bytes, clock, measured.uploaded_bytes),
        validator(*store, *bytes, inspector, notifier, options.data + "/checks"),
        upkeep(*store, blobs, workers, notifier, measured),
        desk{*store,   blobs,    validator,
             notifier, workers,  methods,
             metrics,  measured, static_cast<double>(options.rules.lease_ms) / 1000} {}

  Metrics metrics{"espalierd"};
  const Catalogue methods;
  std::unique_ptr<JobStore> store;
  std::unique_ptr<BlobStore> bytes;
  Notifier notifier;
  WorkerRegistry workers;
  ControlMetrics measured;
  BlobKeeper blobs;
  Validator validator;
  Upkeep upkeep;
  Desk desk;

  ModelService model_service{desk};
  DatasetService dataset_service{desk};
  UploadService upload_service{desk};
  MethodService method_service{desk};
  JobService job_service{desk};
  ArtifactService artifact_service{desk};
  EndpointService endpoint_service{desk};
  WorkerService worker_service{desk};

  std::atomic<bool> ready{false}, draining{false};
  std::unique_ptr<AdminServer> admin;
  std::unique_ptr<GrpcServer> grpc;
};

absl::StatusOr<std::unique_ptr<ControlPlane>> ControlPlane::start(const ControlOptions& options,
                                                                  Catalogue catalogue,
                                                                  const Clock& clock,
                                                                  Inspector& inspector) {
  ESPALIER_RETURN_IF_ERROR(make_folders(options.data));
  const SqliteOptions sqlite{options.data + "/espalier.db", options.rules, options.durable};
  ESPALIER_ASSIGN_OR_RETURN(auto store, SqliteJobStore::open(sqlite, clock));
  ESPALIER_ASSIGN_OR_RETURN(auto blobs, LocalBlobStore::open(options.data));
  ESPALIER_RETURN_IF_ERROR(store->begin_epoch());

  std::unique_ptr<ControlPlane> plane(new ControlPlane(std::make_unique<Impl>(
      std::move(catalogue), clock, inspector, std::move(store), std::move(blobs), options)));
  Impl& impl = *plane->impl_;
  AdminServer::Pages pages;
  pages.metrics = [&impl] { return impl.metrics.text(); };
  pages.readiness = [&impl] {
    if (impl.draining) return Readiness{false, "draining"};
    return impl.ready ? Readiness{true, "ready"} : Readiness{false, "starting"};
  };
  ESPALIER_ASSIGN_OR_RETURN(impl.admin, AdminServer::start(options.admin, std::move(pages)));

  GrpcServerOptions server;
  server.listen = options.listen;
  server.max_threads = kThreads;
  server.services = {&impl.model_service,    &impl.dataset_service, &impl.upload_service,
                     &impl.method_service,   &impl.job_service,     &impl.artifact_service,
                     &impl.endpoint_service, &impl.worker_service};
  ESPALIER_ASSIGN_OR_RETURN(impl.grpc, GrpcServer::start(server));
  ESPALIER_RETURN_IF_ERROR(impl.validator.start());
  impl.upkeep.start();
  impl.grpc->set_ready(true);
  impl.ready = true;
  return plane;
}

ControlPlane::ControlPlane(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlPlane::~ControlPlane() { drain(std::chrono::milliseconds(0)); }

void ControlPlane::drain(std::chrono::milliseconds grace) {
  if (impl_->draining.exchange(true)) return;
  if (impl_->grpc) impl_->grpc->set_ready(false);
  impl_->notifier.stop();
  if (impl_->grpc) impl_->grpc->shutdown(grace);
  impl_->upkeep.stop();
  impl_->validator.stop();
}

const std::string& ControlPlane::address() const { return impl_->grpc->address(); }
const std::string& ControlPlane::admin_address() const { return impl_->admin->address(); }
JobStore& ControlPlane::store() { return *impl_->store; }
void ControlPlane::tick() { impl_->upkeep.tick(); }

}  // namespace espalier::server
