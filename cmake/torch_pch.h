// Precompiled once, shared by every target that uses torch: the headers cost about 20 s a file.
#pragma once
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
