// Between messages and what the store keeps.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>
#include <google/protobuf/struct.pb.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "espalier/v1/common.pb.h"
#include "espalier/v1/dataset.pb.h"
#include "espalier/v1/model.pb.h"
#include "espalier/worker/v1/worker.pb.h"
#include "server/control/job_store.h"

namespace espalier::server {

using Files = google::protobuf::RepeatedPtrField<espalier::v1::File>;

// Paths, hashes and the number of files (1 to 1000) checked; `field` is named in errors.
absl::StatusOr<std::vector<StoredFile>> read_files(const Files& files, const std::string& field);
void write_files(const std::string& project, const std::vector<StoredFile>& files, Files& out);

// Body, state, files and times put together.
espalier::v1::Model model_of(const Resource& resource);
espalier::v1::Dataset dataset_of(const Resource& resource);
// What read_dataset_spec reads: {} for a model.
Json dataset_spec_of(const Resource& resource);
// The resource's body with what a check found (see inspect.h).
std::string with_facts(const Resource& resource, const Json& answer);

absl::StatusOr<google::protobuf::Struct> to_struct(const Json& json);
absl::StatusOr<Json> to_json(const google::protobuf::Message& message);

// A fingerprint of a request that does not depend on its request_id nor on the order of maps.
std::string fingerprint(const google::protobuf::Message& message);
template <class RequestMessage>
Request request_of(RequestMessage message) {
  Request request{message.request_id(), ""};
  message.clear_request_id();
  message.clear_validate_only();
  request.fingerprint = fingerprint(message);
  return request;
}

absl::StatusOr<LeaseHold> hold_of(const espalier::worker::v1::LeaseToken& token);
void write_claim(const Claim& claim, const std::string& worker, double lease_seconds,
                 espalier::worker::v1::Lease& out);

}  // namespace espalier::server
