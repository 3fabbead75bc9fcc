"""An artifact's tensors in bf16 and int8, from the format alone (core/spec/int8_rows.h, core/spec/stored_weights.h)."""
import ml_dtypes
import numpy

LEAST_ROW = numpy.float32(1e-30)
UNUSED_BITS = numpy.uint32(127)  # of a scale, so that its products with 8-bit numbers are exact


def int8_rows(weight):
    """Numbers [N,K] and scales [N]: largest value / 127, rounded up to 17 significant bits."""
    largest = numpy.abs(weight).max(axis=1, initial=0).astype(numpy.float32)
    bits = (largest / numpy.float32(127)).view(numpy.uint32)
    scales = ((bits + UNUSED_BITS) & ~UNUSED_BITS).view(numpy.float32)
    scales[largest < LEAST_ROW] = 1
    numbers = numpy.rint(weight / scales[:, None]).astype(numpy.int8)
    numbers[largest < LEAST_ROW] = 0
    return numbers, scales


def is_narrow(name, tensor):
    return tensor.ndim == 2 and name.startswith("layers.") and name.endswith(".weight")


def narrowed(tensors, precision):
    """What model.safetensors of an artifact in this precision holds, and the same values in fp32."""
    stored, values = {}, {}
    for name, tensor in tensors.items():
        stored[name] = values[name] = tensor
        if not is_narrow(name, tensor):
            continue
        if precision == "bf16":
            stored[name] = tensor.astype(ml_dtypes.bfloat16)
            values[name] = stored[name].astype(numpy.float32)
        elif precision == "int8":
            numbers, scales = int8_rows(tensor)
            stored[name], stored[f"{name}.scale"] = numbers, scales
            values[name] = numbers * scales[:, None]
    return stored, values
