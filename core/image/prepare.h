// From a decoded image to a model's input: planes of bytes, which is what a data set keeps of an
// image (a quarter of the floats). Where the model is, they become floats (model/embedding.h).
//
// Source: ViTImageProcessor and DeiTImageProcessor of transformers 4.57, those on Pillow (their
// "fast" twins resize through torchvision, a grey level away here and there); equal to theirs to
// the bit.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/image/image.h"
#include "core/spec/input.h"
#include "core/spec/model_config.h"

namespace espalier {

// Planes [channels, side, side] of an image in colours, for a model that reads `channels` (3, or 1:
// grey as Pillow's convert("L") weighs the colours) of side x side pixels. What `settings` ask for:
// the image is resized to size x size whatever its own shape, then its middle is cropped, with
// zeros around it where it is smaller than the crop. INVALID_ARGUMENT where the result is not of
// the model's side, which only an image can cause that nothing resizes.
absl::StatusOr<std::vector<uint8_t>> prepare_image(Image image, const ImageSettings& settings,
                                                   int channels, int side);

// The row that an image model reads of an encoded file: decoded, prepared, and counted in tokens.
absl::StatusOr<Input> read_image(std::string_view file, const ModelConfig& config);

}  // namespace espalier
