#include "server/common/serve.h"
#include "server/control/services/published_services.h"

namespace espalier::server {

using namespace espalier::v1;  // NOLINT: messages only

namespace {

Method::Kind kind_of(const std::string& kind) {
  if (kind == "pruner") return Method::KIND_PRUNER;
  if (kind == "distiller") return Method::KIND_DISTILLER;
  if (kind == "exit") return Method::KIND_EXIT;
  return Method::KIND_UNSPECIFIED;
}

void write(const Json& option, MethodOption& out) {
  out.set_name(option.value("name", ""));
  out.set_type(option.value("type", ""));
  out.set_default_json(option.contains("default") ? option["default"].dump() : "null");
  if (option.contains("minimum")) out.set_minimum(option["minimum"].get<double>());
  if (option.contains("maximum")) out.set_maximum(option["maximum"].get<double>());
  for (const Json& choice : option.value("choices", Json::array()))
    out.add_choices(choice.get<std::string>());
  out.set_description(option.value("description", ""));
}

}  // namespace

grpc::Status MethodService::ListMethods(grpc::ServerContext* context,
                                        const ListMethodsRequest* request,
                                        ListMethodsResponse* response) {
  return serve("ListMethods", desk_.metrics, context, [&]() -> absl::Status {
    for (const CatalogueMethod& method : desk_.catalogue.methods()) {
      const Method::Kind kind = kind_of(method.kind);
      if (request->kind() != Method::KIND_UNSPECIFIED && request->kind() != kind) continue;
      Method& out = *response->add_methods();
      out.set_name(method.name);
      out.set_kind(kind);
      out.set_summary(method.summary);
      out.set_source(method.source);
      out.set_schema_digest(method.digest);
      for (const Json& option : method.options) write(option, *out.add_options());
    }
    return absl::OkStatus();
  });
}

}  // namespace espalier::server
