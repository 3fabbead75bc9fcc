// What is served: names, routes and loaded models, as one immutable snapshot that changes by swap.
// A request that has its model keeps it; a model that leaves drains before its memory goes, back to
// the system.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/serving/model.h"

namespace espalier::server {

// What an endpoint asks for.
struct DesiredRoute {
  std::string alias;     // "stable"; a client may name it as the version; "" of plain versions
  std::string artifact;  // what the loader understands: a resource name or a folder
  double weight = 1;     // share of the requests that name no version
  std::string manifest;  // digest of the artifact's files: another one is loaded anew

  bool operator==(const DesiredRoute&) const = default;
  // The artifact's id: the last part of its name, and the version that responses carry.
  std::string version() const;
  // A name for this very content: the id and the head of the manifest.
  std::string content() const;
};
struct DesiredModel {
  std::string name;
  std::vector<DesiredRoute> routes;

  bool operator==(const DesiredModel&) const = default;
};

// What stands behind a name.
struct Route {
  std::string alias;
  double weight = 1;
  std::shared_ptr<Model> model;
  std::string manifest;  // of what the model was loaded from
};
// A version that is wanted and not served (yet).
struct Absence {
  std::string alias, version;
  std::string state;   // LOADING, UNLOADING or UNAVAILABLE, as the protocol spells them
  std::string reason;  // one line
};
struct ServedName {
  std::vector<Route> routes;
  std::vector<Absence> absences;
};
using Snapshot = std::map<std::string, ServedName, std::less<>>;

// The route for a request: by alias, by version, or by weight when `version` is empty, with `turn`
// in [0,1) as the draw; the first when all weigh nothing. Null when there is none.
const Route* choose_route(const ServedName& served, const std::string& version, double turn);

class ModelRepository {
 public:
  // Makes the model `name` from an artifact; may take minutes.
  using Loader = std::function<absl::StatusOr<std::shared_ptr<Model>>(const std::string& name,
                                                                      const DesiredRoute& route)>;
  explicit ModelRepository(Loader loader) : loader_(std::move(loader)) {}
  ~ModelRepository();  // drains what is served

  // Makes the snapshot what is desired, name by name: load, swap, drain the old. What fails to load
  // leaves its alias on the model it had, and is reported in absences and the log. Routes without
  // alias are versions of one model: when one of them fails, all that were there stay. Returns the
  // number of such failures; calling again tries them again. Of apply(), load() and unload() one
  // at a time.
  int apply(const std::vector<DesiredModel>& desired);
  // The same for one name; other names stay. What failed first, if anything did.
  absl::Status load(const DesiredModel& desired);
  // Drains the models of a name and gives their memory back; the name stays known, as UNAVAILABLE.
  // NOT_FOUND for a name that is not known.
  absl::Status unload(const std::string& name);

  std::shared_ptr<const Snapshot> snapshot() const;
  // NOT_FOUND names what is served; UNAVAILABLE says why a known name has no model, and is the
  // answer for every other name until the first apply() ends: it may come yet.
  absl::StatusOr<std::shared_ptr<Model>> find(const std::string& name,
                                              const std::string& version) const;
  // Answers everything that waits; models stay, and refuse new requests.
  void drain();

 private:
  std::vector<absl::Status> apply_one(const DesiredModel& desired);
  absl::StatusOr<std::shared_ptr<Model>> load_route(const std::string& name,
                                                    const DesiredRoute& route);
  void swap(const std::string& name, ServedName served);
  void retire(const std::string& name);

  const Loader loader_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<Snapshot>();
  std::atomic<bool> complete_{false};  // since the first apply()
  mutable std::atomic<uint64_t> turns_{0};
};

}  // namespace espalier::server
