#include "core/distill/registry.h"

#include "core/distill/layer_match.h"
#include "core/distill/pkd.h"
#include "core/distill/reptile.h"
#include "core/distill/skdbert.h"
#include "core/distill/soft_labels.h"
#include "core/distill/tinybert.h"
#include "core/distill/token_hidden.h"

namespace espalier {

const DistillerRegistry& distillers() {
  static const DistillerRegistry registry(
      "distiller",
      {entry<Distiller, SoftLabels>("soft_labels", "The teacher's probabilities as labels.",
                                    "Hinton et al. 2015, arXiv 1503.02531; Sanh et al. 2019, "
                                    "arXiv 1910.01108"),
       entry<Distiller, Pkd>("pkd", "First tokens' states of evenly spread or of late layers.",
                             "Sun et al. 2019, arXiv 1908.09355"),
       entry<Distiller, TinyBert>("tinybert", "States and attention scores, then soft labels.",
                                  "Jiao et al. 2020, arXiv 1909.10351"),
       entry<Distiller, LayerMatch>("layer_match",
                                    "Each of some teacher layers teaches the nearest student layer "
                                    "that is left.",
                                    "Xia et al. 2022, arXiv 2204.00408"),
       entry<Distiller, TokenHidden>("token_hidden", "Each layer's states token by token.",
                                     "Kurtic et al. 2023, arXiv 2302.04089"),
       entry<Distiller, SkdBert>("skdbert", "Soft labels of a teacher that is drawn in each step.",
                                 "Ding et al. 2023, arXiv 2211.14466"),
       entry<Distiller, Reptile>("reptile",
                                 "Soft labels of a copy of the teacher that learns to be followed.",
                                 "Ma et al. 2022, COLING")});
  return registry;
}

}  // namespace espalier
