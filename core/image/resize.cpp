#include "core/image/resize.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8 of the pixel, 2 for sums beyond 1 and the sign

// A filter's shape: its value at a distance, and the distance from which on it is 0.
struct Kernel {
  double (*value)(double);
  double support;
};

double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

double bilinear(double x) { return std::max(0.0, 1 - std::abs(x)); }

// Keys' cubic convolution with a = -1/2.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

double sinc(double x) { return x == 0 ? 1 : std::sin(x * M_PI) / (x * M_PI); }

double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kLanczos:
      return {lanczos, 3};
    case Filter::kBicubic:
      return {bicubic, 2};
    case Filter::kBox:
      return {box, 0.5};
    default:
      return {bilinear, 1};
  }
}

// What one output pixel is made of: pixels first, first + 1, ..., and their weights.
struct Taps {
  int first = 0;
  std::vector<int32_t> weights;
};

Taps taps_at(double centre, double stretch, int in, const Kernel& kernel) {
  const double reach = kernel.support * stretch;
  const int begin = std::max(0, static_cast<int>(std::floor(centre - reach + 0.5)));
  const int end = std::min(in, static_cast<int>(std::floor(centre + reach + 0.5)));
  std::vector<double> values;
  double sum = 0;
  for (int i = begin; i < end; ++i) {
    values.push_back(kernel.value((i - centre + 0.5) * (1 / stretch)));
    sum += values.back();
  }
  Taps out{begin, {}};
  for (const double value : values) {
    const double share = (sum != 0 ? value / sum : value) * (1 << kFractionBits);
    out.weights.push_back(static_cast<int32_t>(share + (share < 0 ? -0.5 : 0.5)));
  }
  return out;
}

std::vector<Taps> all_taps(int in, int out, const Kernel& kernel) {
  const double scale = static_cast<double>(in) / out;
  std::vector<Taps> taps;
  taps.reserve(out);
  for (int i = 0; i < out; ++i) {
    taps.push_back(taps_at((i + 0.5) * scale, std::max(1.0, scale), in, kernel));
  }
  return taps;
}

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

uint8_t rounded(int32_t sum) {  // kHalf is in the sum
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

Image blank(int height, int width, int channels) {
  return {height, width, channels, std::vector<uint8_t>(size_t{1} * height * width * channels)};
}

Image resize_rows(const Image& image, int width, const Kernel& kernel) {
  const std::vector<Taps> taps = all_taps(image.width, width, kernel);
  const int channels = image.channels;
  Image out = blank(image.height, width, channels);
  uint8_t* next = out.pixels.data();
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* row = image.pixels.data() + size_t{1} * y * image.width * channels;
    for (const Taps& tap : taps) {
      int32_t sums[4] = {kHalf, kHalf, kHalf, kHalf};
      const uint8_t* pixel = row + size_t{1} * tap.first * channels;
      for (const int32_t weight : tap.weights) {
        for (int c = 0; c < channels; ++c) sums[c] += *pixel++ * weight;
      }
      for (int c = 0; c < channels; ++c) *next++ = rounded(sums[c]);
    }
  }
  return out;
}

Image resize_columns(const Image& image, int height, const Kernel& kernel) {
  const size_t line = size_t{1} * image.width * image.channels;
  Image out = blank(height, image.width, image.channels);
  auto next = out.pixels.begin();
  std::vector<int32_t> sums(line);
  for (const Taps& tap : all_taps(image.height, height, kernel)) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const uint8_t* pixel = image.pixels.data() + line * tap.first;
    for (const int32_t weight : tap.weights) {
      for (size_t i = 0; i < line; ++i) sums[i] += *pixel++ * weight;
    }
    next = std::transform(sums.begin(), sums.end(), next, rounded);
  }
  return out;
}

// The input pixel under the middle of each output pixel. Added up step by step: so are Pillow's,
// and the last bit decides where a middle falls between two pixels.
std::vector<int> nearest(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> places;
  double place = scale * 0.5;
  for (int i = 0; i < out; ++i, place += scale) {
    places.push_back(std::min(in - 1, static_cast<int>(place)));
  }
  return places;
}

Image resize_nearest(const Image& image, int height, int width) {
  const std::vector<int> columns = nearest(image.width, width);
  Image out = blank(height, width, image.channels);
  auto next = out.pixels.begin();
  for (const int y : nearest(image.height, height)) {
    for (const int x : columns) {
      const uint8_t* pixel =
          image.pixels.data() + (size_t{1} * y * image.width + x) * image.channels;
      next = std::copy_n(pixel, image.channels, next);
    }
  }
  return out;
}

}  // namespace

Image resize(const Image& image, int height, int width, Filter filter) {
  if (filter == Filter::kNearest) return resize_nearest(image, height, width);
  const Kernel kernel = kernel_of(filter);
  if (width == image.width) {
    return height == image.height ? image : resize_columns(image, height, kernel);
  }
  const Image rows = resize_rows(image, width, kernel);
  return height == image.height ? rows : resize_columns(rows, height, kernel);
}

}  // namespace espalier
