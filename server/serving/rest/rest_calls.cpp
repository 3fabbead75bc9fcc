#include "server/serving/rest/rest_calls.h"

#include <charconv>
#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/serving/rest/infer_json.h"
#include "server/serving/rest/message_json.h"

namespace espalier::server::rest_calls {
namespace {

RestResponse json_response(const nlohmann::json& json, int status = 200) {
  return {.status = status, .body = dump(json)};
}

template <class Message>
Answer message_response(const absl::StatusOr<Message>& message) {
  ESPALIER_RETURN_IF_ERROR(message.status());
  return json_response(message_json(*message));
}

// The body's object; an empty body is an empty one.
absl::StatusOr<nlohmann::json> options_of(const Asked& asked) {
  if (asked.request.body.empty()) return nlohmann::json::object();
  if (asked.request.body.size() > kMaxJsonBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the body has ", asked.request.body.size(),
                                                   " bytes; at most ", kMaxJsonBytes,
                                                   " of JSON are taken"));
  }
  return parse_object(asked.request.body);
}

// What a load or an unload asks for.
absl::Status read_parameters(
    const Asked& asked,
    google::protobuf::Map<std::string, inference::ModelRepositoryParameter>& parameters) {
  ESPALIER_ASSIGN_OR_RETURN(const auto options, options_of(asked));
  const auto found = options.find("parameters");
  if (found == options.end()) return absl::OkStatus();
  if (!found->is_object()) {
    return absl::InvalidArgumentError("\"parameters\" must be an object");
  }
  for (const auto& [name, value] : found->items()) {
    auto& parameter = parameters[name];
    if (value.is_boolean()) {
      parameter.set_bool_param(value.get<bool>());
    } else if (value.is_number_integer()) {
      parameter.set_int64_param(value.get<int64_t>());
    } else if (value.is_string() && absl::StartsWith(name, "file:")) {
      if (!absl::Base64Unescape(value.get<std::string>(), parameter.mutable_bytes_param())) {
        return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no base64"));
      }
    } else if (value.is_string()) {
      parameter.set_string_param(value.get<std::string>());
    } else {
      return absl::InvalidArgumentError(absl::StrCat("parameter \"", name, "\" is ",
                                                     value.type_name(),
                                                     "; it takes a boolean, an integer or a "
                                                     "string"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<InferBody> infer_body(const Asked& asked) {
  const RestRequest& request = asked.request;
  if (request.json_size.empty()) return parse_infer_body(request.body, std::nullopt);
  size_t size = 0;
  const char* const end = request.json_size.data() + request.json_size.size();
  const auto [rest, error] = std::from_chars(request.json_size.data(), end, size);
  if (error != std::errc() || rest != end) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header Inference-Header-Content-Length is \"", request.json_size,
                     "\"; it takes the bytes of the body's JSON"));
  }
  if (size > 0) return parse_infer_body(request.body, size);
  ESPALIER_ASSIGN_OR_RETURN(const auto metadata,
                            asked.protocol.model_metadata(asked.model, asked.version));
  return parse_plain_body(request.body, metadata);
}

Answer infer_answer(const inference::ModelInferResponse& response, const OutputForms& forms) {
  ESPALIER_ASSIGN_OR_RETURN(WrittenBody body, write_infer_body(response, forms));
  return RestResponse{
      .body = std::move(body.text),
      .content_type = body.json_size.has_value() ? "application/octet-stream" : "application/json",
      .json_size = body.json_size};
}

}  // namespace

Answer live(Asked& asked) {
  const bool live = asked.protocol.live();
  return json_response({{"live", live}}, live ? 200 : 503);
}

Answer ready(Asked& asked) {
  const bool ready = asked.protocol.ready();
  return json_response({{"ready", ready}}, ready ? 200 : 503);
}

Answer model_ready(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const bool ready,
                            asked.protocol.model_ready(asked.model, asked.version));
  return json_response({{"name", asked.model}, {"ready", ready}}, ready ? 200 : 503);
}

Answer server_metadata(Asked& asked) {
  inference::ServerMetadataResponse metadata = asked.protocol.server_metadata();
  metadata.add_extensions("binary_tensor_data");  // of this way in alone
  return json_response(message_json(metadata));
}

Answer model_metadata(Asked& asked) {
  return message_response(asked.protocol.model_metadata(asked.model, asked.version));
}

// REST shows the configuration itself, without the message around it.
Answer model_config(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto response,
                            asked.protocol.model_config(asked.model, asked.version));
  return json_response(message_json(response.config()));
}

Answer statistics(Asked& asked) {
  return message_response(asked.protocol.model_statistics(asked.model, asked.version));
}

Answer repository_index(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto options, options_of(asked));
  const auto ready = options.find("ready");
  if (ready != options.end() && !ready->is_boolean()) {
    return absl::InvalidArgumentError("\"ready\" must be true or false");
  }
  const auto index = asked.protocol.repository_index(ready != options.end() && ready->get<bool>());
  // A bare array, as Triton's clients expect.
  auto models = nlohmann::json::array();
  for (const auto& model : index.models()) models.push_back(message_json(model));
  return json_response(models);
}

Answer unoffered(Asked&) {
  return absl::UnimplementedError(
      "shared memory, tracing and log settings are not offered; send tensors in the request, and "
      "see the metrics of the admin port");
}

Answer load(Asked& asked) {
  inference::RepositoryModelLoadRequest request;
  request.set_model_name(asked.model);
  ESPALIER_RETURN_IF_ERROR(read_parameters(asked, *request.mutable_parameters()));
  ESPALIER_RETURN_IF_ERROR(asked.protocol.load(asked.model, request));
  return json_response({{"name", asked.model}, {"load", true}});
}

Answer unload(Asked& asked) {
  inference::RepositoryModelUnloadRequest request;
  request.set_model_name(asked.model);
  ESPALIER_RETURN_IF_ERROR(read_parameters(asked, *request.mutable_parameters()));
  ESPALIER_RETURN_IF_ERROR(asked.protocol.unload(asked.model, request));
  return json_response({{"name", asked.model}, {"unload", true}});
}

std::shared_ptr<Protocol::Call> infer(Asked asked, Done done) {
  auto body = infer_body(asked);
  if (!body.ok()) {
    done(body.status());
    return nullptr;
  }
  body->request.set_model_name(asked.model);
  body->request.set_model_version(asked.version);
  // HTTP carries no deadline: the parameter "timeout" does, and whoever hangs up cancels.
  return asked.protocol.infer(
      std::move(body->request), std::chrono::steady_clock::time_point::max(),
      [forms = std::move(body->forms), done = std::move(done),
       soon = std::move(asked.request.soon)](absl::Status status,
                                             inference::ModelInferResponse response) {
        if (!status.ok()) return done(std::move(status));
        auto write = [forms, done, response = std::move(response)] {
          done(guard("writing an answer as JSON", [&] { return infer_answer(response, forms); }));
        };
        soon ? soon(std::move(write)) : write();
      });
}

}  // namespace espalier::server::rest_calls
