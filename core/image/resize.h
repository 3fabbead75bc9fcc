// Pillow's Image.resize for 8-bit images, equal to the byte: models were trained on what it gives.
//
// All filters but the nearest weigh the pixels under a kernel that widens where the image shrinks
// (so that nothing is skipped), first along rows, then along columns, with 22-bit fixed-point
// weights and a result rounded to 8 bits after each of the two. This is Pillow up to 12; since 13
// it takes the columns first where the height shrinks much more than the width, which moves the
// rounding between the two; images that keep their shape are not concerned.
#pragma once

#include "core/image/image.h"

namespace espalier {

// Pillow's numbers, which ImageSettings::resample holds.
enum class Filter { kNearest = 0, kLanczos = 1, kBilinear = 2, kBicubic = 3, kBox = 4 };

// `height` and `width` at least 1.
Image resize(const Image& image, int height, int width, Filter filter);

}  // namespace espalier
