// espalier endpoints: set, list, delete.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/routes.h"
#include "client/cli/table.h"
#include "client/cpp/names.h"
#include "core/base/status_macros.h"

namespace espalier::cli {

absl::StatusOr<v1::Endpoint::Route> parse_route(const std::string& text) {
  const auto equals = text.find('=');
  const auto colon = text.rfind(':');
  v1::Endpoint::Route route;
  double weight = 1;
  const bool has_weight = colon != std::string::npos && colon > equals;
  if (equals == std::string::npos || equals == 0 ||
      (has_weight && !absl::SimpleAtod(text.substr(colon + 1), &weight))) {
    return usage_error(absl::StrCat(
        "--route \"", text, "\" is not alias=artifact:weight, for example canary=first:0.1"));
  }
  route.set_alias(text.substr(0, equals));
  route.set_artifact(text.substr(equals + 1, has_weight ? colon - equals - 1 : std::string::npos));
  route.set_weight(weight);
  return route;
}

namespace {

struct EndpointFlags {
  std::string id, artifact;
  std::vector<std::string> routes;
  double wait_seconds = 60;
};

std::string text_of(const v1::ListEndpointsResponse& list) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& endpoint : list.endpoints()) {
    for (const auto& route : endpoint.routes()) {
      rows.push_back({client::short_name(endpoint.name()), route.alias(),
                      client::short_name(route.artifact()), number_text(route.weight()),
                      std::to_string(endpoint.generation()), time_text(endpoint.update_time())});
    }
  }
  return table({"NAME", "ALIAS", "ARTIFACT", "WEIGHT", "GENERATION", "UPDATED"}, rows);
}

// Waits until the server has loaded every artifact of the endpoint. Without a server there is
// nothing to wait for: one that starts later reads the endpoint then.
absl::Status wait_until_served(const Context& context, const v1::Endpoint& endpoint,
                               double seconds) {
  auto server = context.inference();
  const auto deadline = absl::Now() + absl::Seconds(seconds);
  const std::string model = client::short_name(endpoint.name());
  while (true) {
    bool ready = true;
    for (const auto& route : endpoint.routes()) {
      auto answer = server.model_ready(model, client::short_name(route.artifact()));
      if (absl::IsUnavailable(answer.status())) return absl::OkStatus();
      ESPALIER_RETURN_IF_ERROR(answer.status());
      ready = ready && *answer;
    }
    if (ready) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "endpoint ", model, " is set, but the inference server at ", context.inference_address,
          " did not load it within ", number_text(seconds), " s; see its log"));
    }
    absl::SleepFor(absl::Milliseconds(200));
  }
}

absl::StatusOr<v1::Endpoint> set(const Context& context, const EndpointFlags& flags) {
  v1::Endpoint endpoint;
  endpoint.set_name(flags.id);
  std::vector<std::string> routes = flags.routes;
  if (!flags.artifact.empty()) routes.insert(routes.begin(), "stable=" + flags.artifact);
  for (const auto& route : routes) {
    ESPALIER_ASSIGN_OR_RETURN(*endpoint.add_routes(), parse_route(route));
  }
  ESPALIER_ASSIGN_OR_RETURN(endpoint, context.client().set_endpoint(std::move(endpoint)));
  if (flags.wait_seconds > 0)
    ESPALIER_RETURN_IF_ERROR(wait_until_served(context, endpoint, flags.wait_seconds));
  return endpoint;
}

std::string text_of(const v1::Endpoint& endpoint) {
  v1::ListEndpointsResponse list;
  *list.add_endpoints() = endpoint;
  return text_of(list);
}

}  // namespace

void add_endpoints(CLI::App& app, Context& context) {
  auto* endpoints =
      add_command(app, "endpoints", "What the inference server serves", "espalier endpoints list");
  endpoints->require_subcommand(1);
  auto flags = std::make_shared<EndpointFlags>();

  auto* command =
      add_command(*endpoints, "set", "Serve an artifact under a name, and wait until it is served",
                  "espalier endpoints set reviews first");
  command->add_option("NAME", flags->id, "Model name that inference clients use")->required();
  auto* artifact =
      command->add_option("ARTIFACT", flags->artifact, "Artifact behind the alias \"stable\"");
  auto* route = command->add_option("--route", flags->routes,
                                    "alias=artifact:weight, once a route, when there are several");
  command->add_option("--wait", flags->wait_seconds, "Seconds to wait; 0: do not")
      ->capture_default_str();
  command->callback([&context, flags, artifact, route] {
    if (artifact->count() + route->count() == 0) throw CLI::RequiredError("ARTIFACT or --route");
    context.action = [&context, flags] {
      return show(context, set(context, *flags), [](const v1::Endpoint& e) { return text_of(e); });
    };
  });

  auto* list = add_command(*endpoints, "list", "All endpoints", "espalier endpoints list");
  list->callback([&context] {
    context.action = [&context] {
      return show(context, context.client().list_endpoints(),
                  [](const v1::ListEndpointsResponse& l) { return text_of(l); });
    };
  });

  auto* remove = add_command(*endpoints, "delete", "Stop serving under a name",
                             "espalier endpoints delete reviews");
  remove->add_option("NAME", flags->id, "The endpoint")->required();
  remove->callback([&context, flags] {
    context.action = [&context, flags] {
      return show_deleted(context, flags->id, context.client().delete_endpoint(flags->id));
    };
  });
}

}  // namespace espalier::cli
