// Which heads and neurons Fisher pruning keeps (fisher.h): pure functions of gradients and prices.
//
// Gradients are those of mini-batches' losses with respect to gates of 1. With F = sum g g^T over n
// mini-batches for a Hessian, closing the units S costs the loss about 1/2 |sum of g_u, u in S|^2,
// g_u [n] being a unit's gradients. The search takes F as diagonal: then every unit has an
// importance of its own. The rearrangement sees what the units of a layer do together.
#pragma once

#include <vector>

#include "core/model/cost.h"

namespace espalier {

// Sums of squares over the mini-batches: [n,L,U] -> [L,U], double, on the CPU.
Tensor diagonal_fisher(const Tensor& gradients);

// What a layer's sub-layer costs with so many of its units, [units + 1]; 0 with none, never
// falling.
using PriceList = std::vector<double>;

// Units of one kind, heads or neurons. Layers may have fewer than U.
struct UnitMarket {
  Tensor importance;              // [L,U], double, on the CPU
  std::vector<PriceList> prices;  // [L]
};

// All price lists of a model's layers, whole hidden dimensions.
std::vector<PriceList> head_prices(const ModelConfig& config, const CostFunction& function);
std::vector<PriceList> neuron_prices(const ModelConfig& config, const CostFunction& function);

// Masks of 0 and 1, float: [L,H] and [L,F].
struct UnitMasks {
  Tensor head, neuron;
};

// The units to keep for at most `budget`. For every number of heads: those with the largest
// importance of all layers, and as many of the neurons with the largest as the budget is left for;
// the number with the largest importance together is taken. Where all heads have one price and all
// neurons another this is the best choice there is. With `drops` the same is tried without the
// sub-layers that matter least, for every number of these: a time has a price of the first unit,
// which their units would pay for little. What still fits comes back, the most important first.
UnitMasks search_units(const UnitMarket& heads, const UnitMarket& neurons, double budget,
                       bool drops);

// A mask [U] of one layer with as many units, and gradients of it [n,U]: open units, the least
// important first, change places with the closed unit for which the norm of the closed ones'
// summed gradients falls most. Never worse than before.
Tensor rearranged(const Tensor& mask, const Tensor& gradients);

}  // namespace espalier
