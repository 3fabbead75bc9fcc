// Precompiled once, shared by every target that speaks the service's protocols (about 10 s a file).
#pragma once
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <grpcpp/grpcpp.h>

#include <nlohmann/json.hpp>

#include "espalier/v1/artifact.grpc.pb.h"
#include "espalier/v1/dataset.grpc.pb.h"
#include "espalier/v1/endpoint.grpc.pb.h"
#include "espalier/v1/job.grpc.pb.h"
#include "espalier/v1/method.grpc.pb.h"
#include "espalier/v1/model.grpc.pb.h"
#include "espalier/v1/upload.grpc.pb.h"
#include "espalier/worker/v1/worker.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
