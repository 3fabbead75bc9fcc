#include "server/serving/metadata.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/build.h"
#include "server/serving/infer_request.h"

namespace espalier::server {
namespace {

// Says what has run: a torch engine over a published artifact.
constexpr char kPlatform[] = "espalier_encoder";

const char* inputs_of(const runtime::ModelInfo& info) {
  if (info.reads == Reads::kImage) {
    return "image, encoded JPEG or PNG files; or pixels, bytes of channels x height x width, red "
           "first, of images that have the model's size";
  }
  return info.objective == Objective::kSpan
             ? "text, the question, and text_pair, its context; or input_ids, attention_mask and "
               "optionally token_type_ids, right-padded"
             : "text and optionally text_pair; or input_ids, attention_mask and optionally "
               "token_type_ids, right-padded";
}

std::map<std::string, std::string> properties(const runtime::ModelInfo& info) {
  std::map<std::string, std::string> result = {
      {"task", info.task},
      {"labels", absl::StrJoin(info.label_names, ",")},
      {"layers", std::to_string(info.layers)},
      {"max_length", std::to_string(info.max_length)},
      {"precision", info.precision},
      {"products", info.products},
      {"weights_sha256", info.weights_sha256},
      {"inputs", inputs_of(info)},
  };
  if (info.reads == Reads::kImage) {
    result["channels"] = std::to_string(info.channels);
    result["image_size"] = std::to_string(info.image_size);
  }
  if (!info.mask_text.empty()) result["mask_token"] = info.mask_text;
  if (info.has_exits) {
    result["exit_method"] = info.exit_method;
    result["exit_threshold"] = absl::StrCat(info.exit_threshold);
    result["exit_threshold_range"] = absl::StrCat(info.threshold_low, "..", info.threshold_high);
  }
  return result;
}

void fill_tensor(const TensorSpec& spec, std::span<const int64_t> sizes,
                 inference::ModelMetadataResponse::TensorMetadata* tensor) {
  tensor->set_name(spec.name);
  tensor->set_datatype(spec.datatype);
  tensor->add_shape(-1);
  for (size_t i = 0; spec.wide && i < sizes.size(); ++i) tensor->add_shape(sizes[i]);
}

// Models of a name, each once, with their first alias.
std::map<std::string, std::shared_ptr<Model>> by_version(const ServedName& served) {
  std::map<std::string, std::shared_ptr<Model>> models;
  for (const Route& route : served.routes)
    models.emplace(route.model->card()->version, route.model);
  return models;
}

void fill_version_policy(const VersionPolicy& policy, inference::ModelVersionPolicy* wire) {
  switch (policy.kind) {
    case VersionPolicy::Kind::kLatest:
      wire->mutable_latest()->set_num_versions(static_cast<uint32_t>(policy.latest));
      break;
    case VersionPolicy::Kind::kAll:
      wire->mutable_all();
      break;
    case VersionPolicy::Kind::kSpecific:
      for (const std::string& version : policy.specific) {
        int64_t number = 0;  // the protocol knows no others
        if (absl::SimpleAtoi(version, &number)) wire->mutable_specific()->add_versions(number);
      }
      break;
  }
}

}  // namespace

void fill_server_metadata(bool loads, inference::ServerMetadataResponse* response) {
  response->set_name("espalier");
  response->set_version(version());
  for (const char* extension :
       {"classification", "model_configuration", "parameters", "schedule_policy", "statistics"}) {
    response->add_extensions(extension);
  }
  if (loads) response->add_extensions("model_repository");
}

void fill_model_metadata(const ModelCard& card, const ServedName& served,
                         inference::ModelMetadataResponse* response) {
  response->set_name(card.name);
  for (const auto& [version, model] : by_version(served)) response->add_versions(version);
  response->set_platform(kPlatform);
  const std::vector<int64_t> read = sizes_of_input(card.info), sizes = sizes_of_row(card.info);
  for (const TensorSpec& spec : input_specs(card.info.reads))
    fill_tensor(spec, read, response->add_inputs());
  for (Output output : usual_outputs(card.info.objective)) {
    fill_tensor(output_specs()[static_cast<size_t>(output)], sizes, response->add_outputs());
  }
  for (auto& [key, value] : properties(card.info)) (*response->mutable_properties())[key] = value;
}

void fill_model_config(const ModelCard& card, const runtime::BatcherOptions& options,
                       const VersionPolicy* versions, inference::ModelConfig* config) {
  config->set_name(card.name);
  config->set_platform(kPlatform);
  config->set_backend("espalier");
  if (versions != nullptr) fill_version_policy(*versions, config->mutable_version_policy());
  config->set_max_batch_size(kMaxRequestRows);
  inference::ModelInstanceGroup* group = config->add_instance_group();
  group->set_name(card.name);
  group->set_kind(inference::ModelInstanceGroup::KIND_CPU);
  group->set_count(1);
  // Sizes of one row: the protocol leaves the batch out here. Without further sizes it wants [1].
  const std::vector<int64_t> read = sizes_of_input(card.info), sizes = sizes_of_row(card.info);
  for (const TensorSpec& spec : input_specs(card.info.reads)) {
    inference::ModelInput* input = config->add_input();
    input->set_name(spec.name);
    input->set_data_type(spec.type);
    if (!spec.wide) input->add_dims(1);
    for (size_t i = 0; spec.wide && i < read.size(); ++i) input->add_dims(read[i]);
    input->set_optional(spec.optional);
    input->set_allow_ragged_batch(card.info.reads == Reads::kText);
  }
  for (Output usual : usual_outputs(card.info.objective)) {
    const TensorSpec& spec = output_specs()[static_cast<size_t>(usual)];
    inference::ModelOutput* output = config->add_output();
    output->set_name(spec.name);
    output->set_data_type(spec.type);
    if (!spec.wide) output->add_dims(1);
    for (size_t i = 0; spec.wide && i < sizes.size(); ++i) output->add_dims(sizes[i]);
  }
  inference::ModelDynamicBatching* batching = config->mutable_dynamic_batching();
  batching->set_max_queue_delay_microseconds(static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(options.limits.max_linger).count()));
  batching->set_priority_levels(kPriorityLevels);
  batching->set_default_priority_level(kPriorityLevels);
  inference::ModelQueuePolicy* policy = batching->mutable_default_queue_policy();
  policy->set_allow_timeout_override(true);
  policy->set_max_queue_size(static_cast<uint32_t>(options.max_queue_rows));
  config->mutable_model_transaction_policy()->set_decoupled(false);
  for (auto& [key, value] : properties(card.info)) {
    (*config->mutable_parameters())[key].set_string_value(value);
  }
}

void fill_repository_index(const Snapshot& snapshot, bool ready_only,
                           inference::RepositoryIndexResponse* response) {
  const auto add = [&](const std::string& name, const std::string& version,
                       const std::string& state, const std::string& reason) {
    auto* entry = response->add_models();
    entry->set_name(name);
    entry->set_version(version);
    entry->set_state(state);
    entry->set_reason(reason);
  };
  for (const auto& [name, served] : snapshot) {
    std::map<std::string, const Absence*> absent;
    for (const Absence& absence : served.absences) absent.emplace(absence.version, &absence);
    for (const auto& [version, model] : by_version(served)) {
      const auto other = absent.extract(version);
      add(name, version, "READY", other.empty() ? "" : other.mapped()->reason);
    }
    if (ready_only) continue;
    for (const auto& [version, absence] : absent) {
      add(name, version, absence->state, absence->reason);
    }
  }
}

bool fill_statistics(const Snapshot& snapshot, const std::string& name, const std::string& version,
                     inference::ModelStatisticsResponse* response) {
  for (const auto& [served_name, served] : snapshot) {
    if (!name.empty() && name != served_name) continue;
    const Route* wanted = version.empty() ? nullptr : choose_route(served, version, 0);
    for (const auto& [served_version, model] : by_version(served)) {
      if (!version.empty() && (wanted == nullptr || wanted->model != model)) continue;
      inference::ModelStatistics* stats = response->add_model_stats();
      *stats = model->recorder()->statistics();
      stats->set_name(served_name);
      stats->set_version(served_version);
    }
  }
  return name.empty() || response->model_stats_size() > 0;
}

}  // namespace espalier::server
