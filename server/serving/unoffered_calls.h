// The calls of the protocol that this server does not offer, each refused with what to do instead.
#pragma once

#include <string>

#include "inference/grpc_service.grpc.pb.h"

namespace espalier::server {

class UnofferedCalls : public inference::GRPCInferenceService::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* SystemSharedMemoryStatus(Context* context,
                                  const inference::SystemSharedMemoryStatusRequest*,
                                  inference::SystemSharedMemoryStatusResponse*) override {
    return refuse(context, kMemory);
  }
  Unary* SystemSharedMemoryRegister(Context* context,
                                    const inference::SystemSharedMemoryRegisterRequest*,
                                    inference::SystemSharedMemoryRegisterResponse*) override {
    return refuse(context, kMemory);
  }
  Unary* SystemSharedMemoryUnregister(Context* context,
                                      const inference::SystemSharedMemoryUnregisterRequest*,
                                      inference::SystemSharedMemoryUnregisterResponse*) override {
    return refuse(context, kMemory);
  }
  Unary* CudaSharedMemoryStatus(Context* context, const inference::CudaSharedMemoryStatusRequest*,
                                inference::CudaSharedMemoryStatusResponse*) override {
    return refuse(context, kMemory);
  }
  Unary* CudaSharedMemoryRegister(Context* context,
                                  const inference::CudaSharedMemoryRegisterRequest*,
                                  inference::CudaSharedMemoryRegisterResponse*) override {
    return refuse(context, kMemory);
  }
  Unary* CudaSharedMemoryUnregister(Context* context,
                                    const inference::CudaSharedMemoryUnregisterRequest*,
                                    inference::CudaSharedMemoryUnregisterResponse*) override {
    return refuse(context, kMemory);
  }
  Unary* TraceSetting(Context* context, const inference::TraceSettingRequest*,
                      inference::TraceSettingResponse*) override {
    return refuse(context, "request tracing is not offered; see the metrics of the admin port");
  }
  Unary* LogSettings(Context* context, const inference::LogSettingsRequest*,
                     inference::LogSettingsResponse*) override {
    return refuse(context,
                  "the log level is set at start, by the environment variable ESPALIER_LOG");
  }

 private:
  static constexpr char kMemory[] = "shared memory is not offered; send tensors in the request";

  static Unary* refuse(Context* context, const char* why);
};

}  // namespace espalier::server
