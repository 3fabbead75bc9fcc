// What clients may read about the server and its models: pure functions from a snapshot to
// protobuf.
#pragma once

#include "inference/grpc_service.pb.h"
#include "server/serving/model_repository.h"
#include "server/serving/versions.h"

namespace espalier::server {

// `loads`: whether models are loaded and unloaded by call.
void fill_server_metadata(bool loads, inference::ServerMetadataResponse* response);
void fill_model_metadata(const ModelCard& card, const ServedName& served,
                         inference::ModelMetadataResponse* response);
// `versions` may be null.
void fill_model_config(const ModelCard& card, const runtime::BatcherOptions& options,
                       const VersionPolicy* versions, inference::ModelConfig* config);
// READY for what is served; LOADING, UNLOADING and UNAVAILABLE for what is not, with the reason. A
// version that is served while other content of it does not load is READY, with that as the reason.
void fill_repository_index(const Snapshot& snapshot, bool ready_only,
                           inference::RepositoryIndexResponse* response);
// Empty name: all models; empty version: all versions. False when nothing matches a given name.
bool fill_statistics(const Snapshot& snapshot, const std::string& name, const std::string& version,
                     inference::ModelStatisticsResponse* response);

}  // namespace espalier::server
