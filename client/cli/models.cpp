// espalier models: upload, list, get, delete.
#include "absl/strings/str_cat.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/transfer_view.h"
#include "client/cpp/names.h"

namespace espalier::cli {
namespace {

std::string text_of(const v1::Model& model) {
  std::string text =
      absl::StrCat("name        ", client::short_name(model.name()), "\nstate       ",
                   state_text(v1::Model::State_Name(model.state())), "\n");
  if (model.has_failure() && !model.failure().reason().empty()) {
    absl::StrAppend(&text, "refused     ", model.failure().reason(), ": ",
                    model.failure().message(), "\n");
  }
  if (!model.family().empty()) {
    absl::StrAppend(&text, "family      ", model.family(), "\nparameters  ",
                    count_text(model.parameters()), "\nlayers      ", model.layers(),
                    "\nhidden      ", model.hidden(), "\n");
  }
  absl::StrAppend(&text, "created     ", time_text(model.create_time()), "\n");
  for (const auto& file : model.files()) {
    absl::StrAppend(&text, "file        ", file.path(), "  ", bytes_text(file.size()), "\n");
  }
  return text;
}

std::string text_of(const v1::ListModelsResponse& list) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& model : list.models()) {
    // What is not checked yet, or was refused, has no figures.
    const bool known = !model.family().empty();
    auto figure = [&](const std::string& text) { return known ? text : "-"; };
    rows.push_back({client::short_name(model.name()),
                    state_text(v1::Model::State_Name(model.state())), figure(model.family()),
                    figure(count_text(model.parameters())), figure(std::to_string(model.layers())),
                    figure(std::to_string(model.hidden())), time_text(model.create_time())});
  }
  return table({"NAME", "STATE", "FAMILY", "PARAMETERS", "LAYERS", "HIDDEN", "CREATED"}, rows);
}

}  // namespace

void add_models(CLI::App& app, Context& context) {
  auto* models = add_command(app, "models", "Encoders to compress", "espalier models list");
  models->require_subcommand(1);
  auto id = std::make_shared<std::string>();
  auto folder = std::make_shared<std::string>();

  auto* upload =
      add_command(*models, "upload", "Upload a Hugging Face folder and wait until it is checked",
                  "espalier models upload minilm path/to/minilm");
  upload->add_option("NAME", *id, "Name: lower-case letters, digits and dashes")->required();
  upload
      ->add_option("FOLDER", *folder, "Folder with config.json, model.safetensors and a tokenizer")
      ->required();
  upload->callback([&context, id, folder] {
    context.action = [&context, id, folder] {
      TransferView view(context.quiet);
      auto model = context.client().upload_model(*id, *folder, view.callback());
      return show(context, model, [](const v1::Model& m) { return text_of(m); });
    };
  });

  auto* list = add_command(*models, "list", "All models, newest first", "espalier models list");
  list->callback([&context] {
    context.action = [&context] {
      return show(context, context.client().list_models(),
                  [](const v1::ListModelsResponse& l) { return text_of(l); });
    };
  });

  auto* get = add_command(*models, "get", "One model", "espalier models get minilm");
  get->add_option("NAME", *id, "The model")->required();
  get->callback([&context, id] {
    context.action = [&context, id] {
      return show(context, context.client().get_model(*id),
                  [](const v1::Model& m) { return text_of(m); });
    };
  });

  auto* remove = add_command(*models, "delete", "Remove a model that no unfinished job uses",
                             "espalier models delete minilm");
  remove->add_option("NAME", *id, "The model")->required();
  remove->callback([&context, id] {
    context.action = [&context, id] {
      return show_deleted(context, *id, context.client().delete_model(*id));
    };
  });
}

}  // namespace espalier::cli
