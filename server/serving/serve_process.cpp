#include "server/serving/serve_process.h"

#include <spdlog/spdlog.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

// How long a server that is done refuses calls before it closes its connections.
constexpr std::chrono::milliseconds kRefuse{500};

constexpr int kMaxMessageBytes = 32 << 20;  // 4096 rows of 8 KiB, or the largest image

std::shared_ptr<grpc::Channel> control_channel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(8 << 20);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // the control plane is a neighbour
  // A control plane that comes back is found within seconds, and one that vanished without a word
  // is noticed; gRPC servers allow a ping every five minutes.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 360'000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServeProcess>> ServeProcess::start(const ServeFlags& flags,
                                                                  EngineLoader load_engine) {
  std::unique_ptr<ServeProcess> process(new ServeProcess(flags, std::move(load_engine)));
  ESPALIER_RETURN_IF_ERROR(process->listen());
  ESPALIER_RETURN_IF_ERROR(flags.managed() ? process->serve_managed() : process->serve_static());
  return process;
}

ServeProcess::ServeProcess(const ServeFlags& flags, EngineLoader load_engine)
    : flags_(flags),
      load_engine_(std::move(load_engine)),
      executor_(flags_.parallel_models),
      repository_(
          [this](const std::string& name, const DesiredRoute& route) { return load(name, route); }),
      library_(flags_.library, repository_),
      protocol_(repository_, flags_.batcher, metrics_, flags_.managed() ? nullptr : &library_),
      service_(protocol_, metrics_) {}

ServeProcess::~ServeProcess() { stop(); }

absl::Status ServeProcess::listen() {
  ESPALIER_ASSIGN_OR_RETURN(grpc_, GrpcServer::start({.listen = flags_.listen,
                                                      .services = {&service_},
                                                      .max_message_bytes = kMaxMessageBytes}));
  if (!flags_.http.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(
        rest_, RestServer::start({.listen = flags_.http, .max_body_bytes = kMaxMessageBytes},
                                 protocol_, metrics_));
  }
  ESPALIER_ASSIGN_OR_RETURN(
      admin_, AdminServer::start(flags_.admin, {.metrics = [this] { return metrics_.text(); },
                                                .readiness = [this] { return readiness(); }}));
  spdlog::info("listening on {}, REST on {}, admin on {}", grpc_->address(),
               rest_ == nullptr ? "no port" : rest_->address(), admin_->address());
  return absl::OkStatus();
}

absl::Status ServeProcess::serve_static() {
  ESPALIER_RETURN_IF_ERROR(library_.load_all());
  become_ready();
  return absl::OkStatus();
}

absl::Status ServeProcess::serve_managed() {
  const std::string folder = absl::StrCat(flags_.cache, "/", flags_.project);
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  const std::shared_ptr<grpc::Channel> channel = control_channel(flags_.control);
  artifacts_ = std::make_unique<RemoteArtifacts>(channel);
  cache_ = std::make_unique<ArtifactCache>(folder, *artifacts_);
  FollowerOptions options;
  options.parent = absl::StrCat("projects/", flags_.project);
  options.snapshot = absl::StrCat(folder, "/endpoints.json");
  follower_ = std::make_unique<EndpointFollower>(channel, std::move(options), *cache_, repository_,
                                                 [this] { become_ready(); });
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Model>> ServeProcess::load(const std::string& name,
                                                          const DesiredRoute& route) {
  std::string folder = route.artifact;
  if (flags_.managed()) {
    ESPALIER_ASSIGN_OR_RETURN(folder, cache_->folder_of(route));
  }
  auto engine = load_engine_(folder);
  if (!engine.ok()) {  // clients read it; our folders mean nothing to them
    return absl::Status(engine.status().code(),
                        absl::StrReplaceAll(engine.status().message(), {{folder + "/", ""}}));
  }
  return Model::make(name, route.version(), *std::move(engine), flags_.batcher, executor_, metrics_,
                     labels_);
}

void ServeProcess::become_ready() {
  Stage expected = Stage::kStarting;  // never out of draining
  if (!stage_.compare_exchange_strong(expected, Stage::kServing)) return;
  protocol_.set_ready(true);
  grpc_->set_ready(true);
  spdlog::info("ready, serving {} models", repository_.snapshot()->size());
}

Readiness ServeProcess::readiness() const {
  switch (stage_) {
    case Stage::kStarting:
      return {false, "the models are being loaded"};
    case Stage::kServing:
      return {true, "serving"};
    case Stage::kDraining:
      return {false, "draining"};
  }
  return {};
}

void ServeProcess::stop() {
  const Stage before = stage_.exchange(Stage::kDraining);
  if (before == Stage::kDraining) return;
  protocol_.set_ready(false);
  if (grpc_ != nullptr) {
    grpc_->set_ready(false);
    if (rest_ != nullptr) rest_->retire();
    if (before == Stage::kServing) {
      spdlog::info("draining: serving for {} ms more", flags_.drain_wait.count());
      std::this_thread::sleep_for(flags_.drain_wait);
    }
  }
  if (artifacts_ != nullptr) artifacts_->cancel();
  if (follower_ != nullptr) follower_->stop();
  // What was accepted is answered, and whoever still comes hears UNAVAILABLE and backs off. gRPC
  // itself cancels calls that reach it while it shuts down, and a CANCELLED is not tried again.
  library_.close();
  repository_.drain();
  service_.drain_streams();
  if (grpc_ != nullptr) {
    if (before == Stage::kServing) std::this_thread::sleep_for(kRefuse);
    if (rest_ != nullptr) rest_->shutdown(flags_.grace);
    grpc_->shutdown(flags_.grace);
  }
  spdlog::info("stopped");
}

}  // namespace espalier::server
