#include "server/serving/model_repository.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

// The loaded model of a route. An id may come again with other content, so the manifest counts too.
std::shared_ptr<Model> model_of(const ServedName& served, const DesiredRoute& wanted) {
  for (const Route& route : served.routes) {
    if (route.model->card()->version == wanted.version() && route.manifest == wanted.manifest) {
      return route.model;
    }
  }
  return nullptr;
}

const Route* route_of_alias(const ServedName& served, const std::string& alias) {
  const auto place = std::find_if(served.routes.begin(), served.routes.end(),
                                  [&](const Route& route) { return route.alias == alias; });
  return place == served.routes.end() ? nullptr : &*place;
}

std::string names_of(const Snapshot& snapshot) {
  if (snapshot.empty()) return "nothing is served";
  return absl::StrCat(
      "served: ",
      absl::StrJoin(snapshot, ", ", [](std::string* out, const auto& e) { out->append(e.first); }));
}

std::string versions_of(const ServedName& served) {
  return absl::StrJoin(served.routes, ", ", [](std::string* out, const Route& route) {
    if (!route.alias.empty()) absl::StrAppend(out, route.alias, " = ");
    out->append(route.model->card()->version);
  });
}

// A route for people: "stable = 3f2a", or "3f2a" where it has no alias.
std::string title(const DesiredRoute& route) {
  return route.alias.empty() ? route.version() : route.alias + " = " + route.version();
}

std::set<std::shared_ptr<Model>> models_of(const ServedName& served) {
  std::set<std::shared_ptr<Model>> models;
  for (const Route& route : served.routes) models.insert(route.model);
  return models;
}

absl::Status unknown_model(const std::string& name, const Snapshot& snapshot) {
  return with_reason(
      absl::NotFoundError(absl::StrCat("model \"", name, "\" is unknown; ", names_of(snapshot))),
      "UNKNOWN_MODEL", "model_name");
}

absl::Status not_there_yet(const std::string& name, const Snapshot& snapshot) {
  return with_reason(
      absl::UnavailableError(absl::StrCat(
          "model \"", name, "\" is not there yet, the server is starting; ", names_of(snapshot))),
      "MODEL_NOT_LOADED", "model_name");
}

// The same model; with the last of its holders its memory leaves the process too, and does not only
// return to the allocator.
std::shared_ptr<Model> giving_memory_back(std::shared_ptr<Model> model) {
  Model* const raw = model.get();
  return {raw, [model = std::move(model)](Model*) mutable {
            model.reset();
            malloc_trim(0);
          }};
}

}  // namespace

std::string DesiredRoute::version() const {
  const std::string trimmed = artifact.substr(0, artifact.find_last_not_of('/') + 1);
  return trimmed.substr(trimmed.rfind('/') + 1);
}

std::string DesiredRoute::content() const {
  return manifest.empty() ? version() : absl::StrCat(version(), ".", manifest.substr(0, 16));
}

const Route* choose_route(const ServedName& served, const std::string& version, double turn) {
  if (!version.empty()) {
    if (const Route* route = route_of_alias(served, version)) return route;
    for (const Route& route : served.routes) {
      if (route.model->card()->version == version) return &route;
    }
    return nullptr;
  }
  double total = 0;
  for (const Route& route : served.routes) total += std::max(route.weight, 0.0);
  double left = turn * total;
  const Route* last = served.routes.empty() ? nullptr : &served.routes.front();
  for (const Route& route : served.routes) {
    left -= std::max(route.weight, 0.0);
    if (route.weight > 0) last = &route;
    if (left < 0) break;
  }
  return last;  // also where rounding leaves something at the very end
}

ModelRepository::~ModelRepository() { drain(); }

std::shared_ptr<const Snapshot> ModelRepository::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

absl::StatusOr<std::shared_ptr<Model>> ModelRepository::find(const std::string& name,
                                                             const std::string& version) const {
  const bool complete = complete_;  // asked first: what comes in between must not look unknown
  const std::shared_ptr<const Snapshot> now = snapshot();
  const auto place = now->find(name);
  if (place == now->end()) {
    return complete ? unknown_model(name, *now) : not_there_yet(name, *now);
  }
  const ServedName& served = place->second;
  // Multiples of the golden ratio fill [0,1) evenly: shares hold over short runs, without a random
  // generator to guard.
  const double turn = std::fmod(
      static_cast<double>(turns_.fetch_add(1) % 1'000'000) * 0.618'033'988'749'894'9, 1.0);
  if (const Route* route = choose_route(served, version, turn)) return route->model;
  for (const Absence& absence : served.absences) {
    if (!version.empty() && absence.version != version && absence.alias != version) continue;
    return with_reason(
        absl::UnavailableError(absl::StrCat("model \"", name, "\" version \"", absence.version,
                                            "\" is not loaded: ", absence.reason)),
        "MODEL_NOT_LOADED", "model_name");
  }
  return with_reason(
      absl::NotFoundError(absl::StrCat("model \"", name, "\" has no version \"", version,
                                       "\"; served: ", versions_of(served))),
      "UNKNOWN_VERSION", "model_version");
}

int ModelRepository::apply(const std::vector<DesiredModel>& desired) {
  int failures = 0;
  std::set<std::string> wanted;
  for (const DesiredModel& model : desired) {
    wanted.insert(model.name);
    failures += static_cast<int>(apply_one(model).size());
  }
  const std::shared_ptr<const Snapshot> before = snapshot();
  for (const auto& [name, served] : *before) {
    if (!wanted.contains(name)) retire(name);
  }
  complete_ = true;
  return failures;
}

absl::Status ModelRepository::load(const DesiredModel& desired) {
  const std::vector<absl::Status> failures = apply_one(desired);
  return failures.empty() ? absl::OkStatus() : failures.front();
}

absl::Status ModelRepository::unload(const std::string& name) {
  ServedName left;
  {
    const std::shared_ptr<const Snapshot> before = snapshot();
    const auto place = before->find(name);
    if (place == before->end()) return unknown_model(name, *before);
    for (const auto& model : models_of(place->second)) {
      left.absences.push_back(
          {"", model->card()->version, "UNLOADING", "it answers what it was asked"});
    }
  }  // lets go of the models: the snapshot held them
  if (left.absences.empty()) return absl::OkStatus();
  swap(name, left);
  for (Absence& absence : left.absences) {
    absence.state = "UNAVAILABLE";
    absence.reason = "unloaded";
  }
  swap(name, std::move(left));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Model>> ModelRepository::load_route(const std::string& name,
                                                                   const DesiredRoute& route) {
  auto loaded = guard("loading an artifact", [&] { return loader_(name, route); });
  if (!loaded.ok()) return loaded.status();
  spdlog::info("model {}: {} is loaded", name, title(route));
  return giving_memory_back(*std::move(loaded));
}

std::vector<absl::Status> ModelRepository::apply_one(const DesiredModel& desired) {
  const std::shared_ptr<const Snapshot> before = snapshot();
  const auto place = before->find(desired.name);
  const ServedName old = place == before->end() ? ServedName{} : place->second;

  // Say what is coming while it loads.
  ServedName loading = old;
  loading.absences.clear();
  for (const DesiredRoute& route : desired.routes) {
    if (model_of(old, route) == nullptr) {
      loading.absences.push_back(
          {route.alias, route.version(), "LOADING", "the artifact is being loaded"});
    }
  }
  if (!loading.absences.empty()) swap(desired.name, loading);

  ServedName next;
  std::vector<absl::Status> failures;
  bool versions_stay = false;
  for (const DesiredRoute& route : desired.routes) {
    std::shared_ptr<Model> model = model_of(old, route);
    if (model == nullptr) model = model_of(next, route);
    std::string manifest = route.manifest;
    if (model == nullptr) {
      auto loaded = load_route(desired.name, route);
      if (loaded.ok()) {
        model = *std::move(loaded);
      } else {
        const std::string reason(loaded.status().message());
        failures.push_back(absl::Status(
            loaded.status().code(), absl::StrCat("model \"", desired.name, "\" version \"",
                                                 route.version(), "\" does not load: ", reason)));
        next.absences.push_back({route.alias, route.version(), "UNAVAILABLE", reason});
        const Route* kept = route_of_alias(old, route.alias);
        versions_stay = versions_stay || (route.alias.empty() && kept != nullptr);
        spdlog::error("model {}: {} does not load ({}): {}", desired.name, title(route),
                      kept ? "keeping " + kept->model->card()->version : "nothing to keep", reason);
        if (kept == nullptr) continue;
        model = kept->model;
        manifest = kept->manifest;
      }
    }
    next.routes.push_back({route.alias, route.weight, std::move(model), std::move(manifest)});
  }
  if (versions_stay) next.routes = old.routes;
  swap(desired.name, std::move(next));
  return failures;
}

void ModelRepository::swap(const std::string& name, ServedName served) {
  std::set<std::shared_ptr<Model>> leaving;
  {
    std::lock_guard lock(mutex_);
    auto next = std::make_shared<Snapshot>(*snapshot_);
    leaving = models_of((*next)[name]);
    for (const auto& model : models_of(served)) leaving.erase(model);
    (*next)[name] = std::move(served);
    snapshot_ = std::move(next);
  }
  for (const auto& model : leaving) {
    model->drain();
    spdlog::info("model {}: {} is unloaded", name, model->card()->version);
  }
}

void ModelRepository::retire(const std::string& name) {
  swap(name, {});
  std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*snapshot_);
  next->erase(name);
  snapshot_ = std::move(next);
}

void ModelRepository::drain() {
  const std::shared_ptr<const Snapshot> now = snapshot();
  for (const auto& [name, served] : *now) {
    for (const auto& model : models_of(served)) model->drain();
  }
}

}  // namespace espalier::server
