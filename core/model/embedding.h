// What enters the stack: words, positions and types of a text, or the patches of an image.
#pragma once

#include <functional>

#include "core/model/batch.h"
#include "core/model/model.h"
#include "core/model/token_rows.h"

namespace espalier {

// (bytes * rescale - mean) / std by channel, float32: bytes [B, C, height, width]. Equal to the bit
// to ViTImageProcessor and DeiTImageProcessor of transformers 4.57.
Tensor normalised(const Tensor& bytes, const ImageSettings& settings);

// Pixels that are bytes are normalised here, as the model's ImageSettings say.
//
// Rows of the residual stream, [N,D]. `drop` is the backend's dropout; `gate` [D] (may be
// undefined) multiplies what is written to the stream and, where a norm of the stream's own width
// stands behind the embeddings, that norm's output.
Tensor embed_rows(const Model& model, const Batch& batch, const TokenRows& rows, const Tensor& gate,
                  const std::function<Tensor(const Tensor&)>& drop);

// The gradient of a text model's words is sparse where they are a leaf on the CPU: the rows that
// were read, some of them several times. merge_word_gradient() makes one of those of a word, so
// that what backward passes add up stays small, and a dense matrix where most words have one.
void merge_word_gradient(const Model& model);

// LayerNorm whose statistics run over the coordinates with a gate that is not zero, and whose
// output is multiplied by the gate. gate [D] or undefined (plain LayerNorm). x [..., D].
Tensor gated_layer_norm(const Tensor& x, const Norm& norm, const Tensor& gate, double eps);

}  // namespace espalier
