// espalier methods: what a recipe may name.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

namespace espalier::cli {
namespace {

const std::map<std::string, v1::Method::Kind> kKinds = {{"pruner", v1::Method::KIND_PRUNER},
                                                        {"distiller", v1::Method::KIND_DISTILLER},
                                                        {"exit", v1::Method::KIND_EXIT}};

std::string range_of(const v1::MethodOption& option) {
  if (option.choices_size() > 0) return absl::StrJoin(option.choices(), " | ");
  if (!option.has_minimum() && !option.has_maximum()) return option.type();
  return absl::StrCat(option.type(), " in ",
                      option.has_minimum() ? number_text(option.minimum()) : "", " .. ",
                      option.has_maximum() ? number_text(option.maximum()) : "");
}

std::string text_of(const v1::ListMethodsResponse& list) {
  std::string text;
  for (const auto& [kind_name, kind] : kKinds) {
    for (const auto& method : list.methods()) {
      if (method.kind() != kind) continue;
      absl::StrAppend(&text, kind_name, " ", method.name(), "\n  ", method.summary());
      if (!method.source().empty()) absl::StrAppend(&text, " (", method.source(), ")");
      text += "\n";
      for (const auto& option : method.options()) {
        absl::StrAppend(&text, "    ", option.name(), " = ", option.default_json(), "  (",
                        range_of(option), ")  ", option.description(), "\n");
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace

void add_methods(CLI::App& app, Context& context) {
  auto* methods =
      add_command(app, "methods", "Pruners, distillers and exit methods with their options",
                  "espalier methods --kind pruner");
  auto kind = std::make_shared<std::string>();
  methods->add_option("--kind", *kind, "Only these")
      ->check(CLI::IsMember({"pruner", "distiller", "exit"}));
  auto run = [&context, kind] {
    context.action = [&context, kind] {
      auto wanted = kind->empty() ? v1::Method::KIND_UNSPECIFIED : kKinds.at(*kind);
      return show(context, context.client().list_methods(wanted),
                  [](const v1::ListMethodsResponse& l) { return text_of(l); });
    };
  };
  methods->callback(run);
  // The groups all have a list; people will try it here as well.
  add_command(*methods, "list", "The same", "espalier methods list")->callback(run);
}

}  // namespace espalier::cli
