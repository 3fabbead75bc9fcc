#include "server/control/convert.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/common/bounded_text.h"
#include "server/common/status.h"

namespace espalier::server {

using espalier::v1::Dataset;
using espalier::v1::Model;
using google::protobuf::util::TimeUtil;

namespace {

constexpr int kMostFiles = 1000;

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void read_failure(const Json& answer, espalier::v1::Failure& failure) {
  failure.set_reason(answer.value("reason", "INVALID"));
  failure.set_message(answer.value("message", ""));
  bound_texts(failure);  // it may quote a header of any length
}

template <class Message>
Message assemble(const Resource& resource) {
  Message message;
  message.ParseFromString(resource.body);
  message.set_name(make_name(resource.key, collection_of(resource.kind)));
  message.set_state(static_cast<typename Message::State>(resource.state));
  message.clear_files();
  write_files(resource.key.project, resource.files, *message.mutable_files());
  *message.mutable_create_time() = TimeUtil::MillisecondsToTimestamp(resource.create_ms);
  return message;
}

}  // namespace

absl::StatusOr<std::vector<StoredFile>> read_files(const Files& files, const std::string& field) {
  auto bad = [&](int index, const std::string& what) {
    return with_reason(absl::InvalidArgumentError(absl::StrCat(field, "[", index, "]", what)),
                       "BAD_FILE", absl::StrCat(field, "[", index, "]"));
  };
  if (files.empty() || files.size() > kMostFiles) {
    return with_reason(
        absl::InvalidArgumentError(absl::StrCat(field, " has ", files.size(), " files; 1 to ",
                                                kMostFiles, " are allowed")),
        "BAD_FILE", field);
  }
  std::vector<StoredFile> out;
  std::set<std::string> paths;
  for (int i = 0; i < files.size(); ++i) {
    const auto& file = files[i];
    if (absl::Status path = check_relative_path(file.path());
        !path.ok() || file.path().size() > 1024) {
      return bad(
          i, absl::StrCat(".path: ", path.ok() ? "it is longer than 1024 bytes" : path.message()));
    }
    if (!is_sha256(file.sha256())) {
      return bad(i, ".sha256: it must be 64 lower-case hex digits");
    }
    if (file.size() > uint64_t{1} << 50) return bad(i, ".size: it is above a pebibyte");
    if (!paths.insert(file.path()).second)
      return bad(i, absl::StrCat(".path: ", file.path(), " stands there twice"));
    out.push_back({file.path(), file.size(), file.sha256(), ""});
  }
  return out;
}

void write_files(const std::string& project, const std::vector<StoredFile>& files, Files& out) {
  for (const StoredFile& file : files) {
    auto& one = *out.Add();
    one.set_path(file.path);
    one.set_size(file.size);
    one.set_sha256(file.sha256);
    if (!file.upload.empty()) one.set_upload(make_name({project, file.upload}, "uploads"));
  }
}

Model model_of(const Resource& resource) { return assemble<Model>(resource); }
Dataset dataset_of(const Resource& resource) { return assemble<Dataset>(resource); }

Json dataset_spec_of(const Resource& resource) {
  if (resource.kind != ResourceKind::kDataset) return Json::object();
  Dataset body;
  body.ParseFromString(resource.body);
  Dataset spec;  // only what core reads
  for (const auto& split : body.splits()) {
    auto& one = *spec.add_splits();
    one.set_name(split.name());
    one.set_path(split.path());
    one.set_under(split.under());
  }
  for (const StoredFile& file : resource.files) {  // the store has checked their bytes
    auto& one = *spec.add_files();
    one.set_path(file.path);
    one.set_sha256(file.sha256);
  }
  spec.set_format(body.format());
  spec.set_task(body.task());
  spec.set_text_column(body.text_column());
  spec.set_text_pair_column(body.text_pair_column());
  spec.set_image_column(body.image_column());
  spec.set_label_column(body.label_column());
  *spec.mutable_label_names() = body.label_names();
  *spec.mutable_column_names() = body.column_names();
  spec.set_metric(body.metric());
  if (body.has_class_weights()) *spec.mutable_class_weights() = body.class_weights();
  return to_json(spec).value_or(Json::object());
}

std::string with_facts(const Resource& resource, const Json& answer) {
  const bool good = answer.value("ok", false);
  if (resource.kind == ResourceKind::kModel) {
    Model body;
    body.ParseFromString(resource.body);
    if (good) {
      body.set_family(answer.value("family", ""));
      body.set_parameters(answer.value("parameters", 0.0));
      body.set_layers(answer.value("layers", 0u));
      body.set_hidden(answer.value("hidden", 0u));
      body.set_image_size(answer.value("image_size", 0u));
      body.set_channels(answer.value("channels", 0u));
    } else {
      read_failure(answer, *body.mutable_failure());
    }
    return body.SerializeAsString();
  }
  Dataset body;
  body.ParseFromString(resource.body);
  if (good) {
    body.clear_label_names();
    for (const Json& name : answer.value("label_names", Json::array()))
      body.add_label_names(name.get<std::string>());
    const Json rows = answer.value("rows", Json::object());
    for (auto& split : *body.mutable_splits())
      split.set_rows(rows.value(split.name(), uint64_t{0}));
  } else {
    read_failure(answer, *body.mutable_failure());
  }
  return body.SerializeAsString();
}

absl::StatusOr<google::protobuf::Struct> to_struct(const Json& json) {
  google::protobuf::Struct out;
  const auto status = google::protobuf::util::JsonStringToMessage(json.dump(), &out);
  if (status.ok()) return out;
  return absl::InternalError(
      absl::StrCat("cannot turn JSON into a message: ", std::string(status.message())));
}

absl::StatusOr<Json> to_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  Json json = status.ok() ? Json::parse(text, nullptr, false) : Json(Json::value_t::discarded);
  if (!json.is_discarded()) return json;
  return absl::InvalidArgumentError(
      absl::StrCat("cannot turn the message into JSON: ", std::string(status.message())));
}

std::string fingerprint(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return sha256_hex(bytes);
}

absl::StatusOr<LeaseHold> hold_of(const espalier::worker::v1::LeaseToken& token) {
  ESPALIER_ASSIGN_OR_RETURN(Key job, parse_name(token.job(), "jobs"));
  return LeaseHold{job, token.fence(), token.worker()};
}

void write_claim(const Claim& claim, const std::string& worker, double lease_seconds,
                 espalier::worker::v1::Lease& out) {
  const std::string& project = claim.model.key.project;
  out.mutable_token()->set_job(claim.job.name());
  out.mutable_token()->set_fence(claim.fence);
  out.mutable_token()->set_worker(worker);
  *out.mutable_job() = claim.job;
  write_files(project, claim.model.files, *out.mutable_model_files());
  for (const Resource& teacher : claim.teachers) {
    auto* one = out.add_teachers();
    one->set_model(make_name(teacher.key, "models"));
    write_files(project, teacher.files, *one->mutable_files());
  }
  if (claim.dataset) *out.mutable_dataset() = dataset_of(*claim.dataset);
  write_files(project, claim.checkpoint.files, *out.mutable_checkpoint_files());
  out.set_checkpoint_compute_class(claim.checkpoint.files.empty() ? ""
                                                                  : claim.checkpoint.compute_class);
  out.set_lease_seconds(lease_seconds);
}

}  // namespace espalier::server
