// Gradient checkpointing (Chen et al., arXiv 1604.06174): of a part of the forward pass only what
// enters it is kept. Backward runs the part again, now recording, and goes on from there. Dropout
// draws the same masks again: the generators are put back to where they stood.
#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace espalier {

using torch::Tensor;

// A part of the forward pass: outputs from x and from what it reads besides. It must give the same
// when it is run again, so what it refers to must live and stay as it is until backward.
using Part = std::function<std::vector<Tensor>(const Tensor& x)>;

// part(x), with gradients into x and into `reads`: every tensor the part reads besides x that may
// require a gradient (undefined and other ones among them are left out). None of `reads` may be
// computed from another one of them or from x: gradients would be counted twice.
//
// Outputs are the same to the bit as without; so are gradients, but that where several parts and
// others read one tensor its gradient's terms are added up by part.
std::vector<Tensor> recomputed(const Tensor& x, const std::vector<Tensor>& reads, const Part& part);

}  // namespace espalier
