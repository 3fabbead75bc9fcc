// The calls behind the routes: each makes an answer of a request whose path is read.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/serving/protocol.h"
#include "server/serving/rest/routes.h"

namespace espalier::server::rest_calls {

// A request at its route.
struct Asked {
  Protocol& protocol;
  const Routes::RunSlowly& run_slowly;
  RestRequest request;
  std::string model, version;  // of the path
};
using Answer = absl::StatusOr<RestResponse>;
using Done = std::function<void(Answer)>;

Answer live(Asked& asked);
Answer ready(Asked& asked);
Answer server_metadata(Asked& asked);
Answer model_ready(Asked& asked);
Answer model_metadata(Asked& asked);
Answer model_config(Asked& asked);
Answer statistics(Asked& asked);
Answer repository_index(Asked& asked);
// Shared memory, traces and log settings.
Answer unoffered(Asked& asked);

// These two take minutes.
Answer load(Asked& asked);
Answer unload(Asked& asked);

// Calls `done` once, on any thread; see Routes::answer for the call that it gives.
std::shared_ptr<Protocol::Call> infer(Asked asked, Done done);

}  // namespace espalier::server::rest_calls
