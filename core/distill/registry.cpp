#include "core/distill/registry.h"

#include "core/distill/soft_labels.h"

namespace espalier {

const DistillerRegistry& distillers() {
  static const DistillerRegistry registry(
      "distiller",
      {entry<Distiller, SoftLabels>("soft_labels", "The teacher's probabilities as labels.",
                                    "Hinton et al. 2015, arXiv 1503.02531; Sanh et al. 2019, "
                                    "arXiv 1910.01108")});
  return registry;
}

}  // namespace espalier
