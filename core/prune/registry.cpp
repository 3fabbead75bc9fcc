#include "core/prune/registry.h"

#include "core/prune/magnitude.h"
#include "core/prune/scored_pruner.h"
#include "core/prune/taylor.h"

namespace espalier {
namespace {

std::unique_ptr<Pruner> make_magnitude(OptionReader& reader) {
  RampOptions ramp;
  ramp.read(reader);
  return std::make_unique<ScoredPruner>("magnitude", std::make_unique<MagnitudeScore>(),
                                        Scope::kWeight, ramp);
}

std::unique_ptr<Pruner> make_taylor(OptionReader& reader) {
  RampOptions ramp;
  double decay = 0.9;
  bool normalize = false;
  ramp.read(reader);
  reader.number("decay", decay, 0, 0.9999, "Share of the old score that each step keeps.");
  reader.boolean("normalize", normalize, "Divide a layer's scores by their l2 norm.");
  return std::make_unique<ScoredPruner>("taylor", std::make_unique<TaylorScore>(decay, normalize),
                                        Scope::kStructure, ramp);
}

}  // namespace

const PrunerRegistry& pruners() {
  static const PrunerRegistry registry(
      "pruner",
      {{"magnitude", "Smallest single weights first, on a cubic ramp (GMP); the shapes stay.",
        "Zhu & Gupta 2017, arXiv 1710.01878", make_magnitude},
       {"taylor",
        "Whole heads and neurons with the smallest first-order saliency first; smaller shapes.",
        "Michel et al. 2019, arXiv 1905.10650; Molchanov et al. 2019, arXiv 1906.10771",
        make_taylor}});
  return registry;
}

}  // namespace espalier
