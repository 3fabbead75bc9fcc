#include "core/prune/registry.h"

#include "core/prune/block_movement.h"
#include "core/prune/cofi.h"
#include "core/prune/drop_layers.h"
#include "core/prune/dynabert.h"
#include "core/prune/fisher.h"
#include "core/prune/flop.h"
#include "core/prune/magnitude.h"
#include "core/prune/movement.h"
#include "core/prune/random.h"
#include "core/prune/scored_pruner.h"
#include "core/prune/taylor.h"
#include "core/prune/ziplm.h"

namespace espalier {
namespace {

std::unique_ptr<Pruner> scored(const char* name, std::unique_ptr<Score> score, Scope scope,
                               OptionReader& reader) {
  RampOptions ramp;
  read_scope(reader, scope);
  ramp.read(reader);
  return std::make_unique<ScoredPruner>(name, std::move(score), scope, ramp);
}

std::unique_ptr<Pruner> make_magnitude(OptionReader& reader) {
  return scored("magnitude", std::make_unique<MagnitudeScore>(), Scope::kWeight, reader);
}

std::unique_ptr<Pruner> make_random(OptionReader& reader) {
  return scored("random", std::make_unique<RandomScore>(), Scope::kWeight, reader);
}

std::unique_ptr<Pruner> make_taylor(OptionReader& reader) {
  double decay = 0.9;
  bool normalize = false;
  reader.number("decay", decay, 0, 0.9999, "Share of the old score that each step keeps.");
  reader.boolean("normalize", normalize, "Divide a layer's scores by their l2 norm.");
  return scored("taylor", std::make_unique<TaylorScore>(decay, normalize), Scope::kStructure,
                reader);
}

std::unique_ptr<Pruner> make_drop_layers(OptionReader& reader) {
  std::string order = "top";
  reader.string("order", order, {"top", "alternate"},
                "Which layers go first: the topmost, or every second one from the top.");
  // Before the first step: what is left has the whole training to itself.
  return std::make_unique<ScoredPruner>("drop_layers",
                                        std::make_unique<LayerOrderScore>(order == "alternate"),
                                        Scope::kLayer, RampOptions{0, 0, 1});
}

}  // namespace

const PrunerRegistry& pruners() {
  static const PrunerRegistry registry(
      "pruner",
      {entry<Pruner, BlockMovement>("block_movement",
                                    "Blocks of attention and neurons by scores that are trained "
                                    "with the weights; smaller shapes.",
                                    "Lagunas et al. 2021, arXiv 2109.04838"),
       entry<Pruner, Cofi>("cofi",
                           "Gates on hidden dimensions, sub-layers, heads and neurons that are "
                           "trained under a constraint on the size; smaller shapes.",
                           "Xia, Zhong & Chen 2022, arXiv 2204.00408"),
       {"drop_layers", "Whole layers from the top, before the first step: a baseline.",
        "Sajjad et al. 2020, arXiv 2004.03844", make_drop_layers},
       entry<Pruner, DynaBert>("dynabert",
                               "Narrower and shallower subnetworks of one set of weights, trained "
                               "together; the one that meets the target is left.",
                               "Hou et al. 2020, arXiv 2004.04037"),
       entry<Pruner, Fisher>("fisher",
                             "Heads and neurons by the gradients of a sample, and the values of "
                             "what stays by least squares: minutes, without training; smaller "
                             "shapes.",
                             "Kwon et al. 2022, arXiv 2204.09656"),
       entry<Pruner, Flop>("flop",
                           "Every matrix as two factors, whose components are gated under a "
                           "constraint on the size.",
                           "Wang, Wohlwend & Lei 2020, arXiv 1910.04732"),
       {"magnitude",
        "Smallest single weights first, on a cubic ramp (GMP), or units with the smallest weights.",
        "Zhu & Gupta 2017, arXiv 1710.01878", make_magnitude},
       entry<Pruner, Movement>("movement",
                               "Single weights by scores that are trained with the weights; the "
                               "shapes stay.",
                               "Sanh, Wolf & Rush 2020, arXiv 2005.07683"),
       {"random", "Units in an order that is drawn once: a baseline.",
        "a comparator of Lee et al. 2019, arXiv 1810.02340", make_random},
       {"taylor",
        "Whole heads and neurons with the smallest first-order saliency first; smaller shapes.",
        "Michel et al. 2019, arXiv 1905.10650; Molchanov et al. 2019, arXiv 1906.10771",
        make_taylor},
       entry<Pruner, ZipLm>("ziplm",
                            "Heads and neurons by what a sub-layer's output loses for what it "
                            "costs, the others' weights solved anew; smaller shapes.",
                            "Kurtic, Frantar & Alistarh 2023, arXiv 2302.04089")});
  return registry;
}

}  // namespace espalier
