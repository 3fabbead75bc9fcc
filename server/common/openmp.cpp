#include "server/common/openmp.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

namespace espalier::server {

void set_openmp_environment(int threads, char** argv) {
  std::map<std::string, std::string> wanted;
  if (threads > 0) {
    wanted["OMP_NUM_THREADS"] = wanted["MKL_NUM_THREADS"] = std::to_string(threads);
  }
  if (std::getenv("OMP_WAIT_POLICY") == nullptr && std::getenv("GOMP_SPINCOUNT") == nullptr) {
    wanted["GOMP_SPINCOUNT"] = "10000";
  }
  bool differs = false;
  for (const auto& [name, value] : wanted) {
    const char* now = std::getenv(name.c_str());
    if (now != nullptr && value == now) continue;
    differs = true;
    setenv(name.c_str(), value.c_str(), 1);
  }
  if (!differs) return;
  // Should this fail, the program goes on as it was started.
  execv(std::filesystem::read_symlink("/proc/self/exe").c_str(), argv);
}

}  // namespace espalier::server
