#include "tests/fuzz/byte_mutator.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <limits>

namespace espalier::fuzz {
namespace {

constexpr size_t kMostRange = 32;

struct Scene {
  std::string text;
  std::string_view other;
  std::span<const std::string> words;
  Random& random;

  size_t place() { return random.below(text.size() + 1); }
  // A range of at least one byte; the text must not be empty.
  std::pair<size_t, size_t> range() {
    const size_t begin = random.below(text.size());
    const size_t most = std::min(kMostRange, text.size() - begin);
    return {begin, 1 + random.below(most)};
  }
};

void flip_bit(Scene& scene) {
  if (scene.text.empty()) return;
  char& byte = scene.text[scene.random.below(scene.text.size())];
  byte = static_cast<char>(byte ^ (1 << scene.random.below(8)));
}

void set_byte(Scene& scene) {
  if (scene.text.empty()) return;
  constexpr std::array<unsigned char, 6> kBytes = {0x00, 0x01, 0x7f, 0x80, 0xff, '"'};
  const bool known = scene.random.below(2) == 0;
  scene.text[scene.random.below(scene.text.size())] =
      static_cast<char>(known ? any_of(kBytes, scene.random) : scene.random.below(256));
}

void insert_bytes(Scene& scene) {
  std::string bytes(1 + scene.random.below(8), '\0');
  for (char& byte : bytes) byte = static_cast<char>(scene.random.below(256));
  scene.text.insert(scene.place(), bytes);
}

void erase_range(Scene& scene) {
  if (scene.text.empty()) return;
  const auto [begin, size] = scene.range();
  scene.text.erase(begin, size);
}

void repeat_range(Scene& scene) {
  if (scene.text.empty()) return;
  const auto [begin, size] = scene.range();
  const std::string piece = scene.text.substr(begin, size);
  for (uint64_t times = 1 + scene.random.below(3); times > 0; --times)
    scene.text.insert(scene.place(), piece);
}

void overwrite_range(Scene& scene) {
  if (scene.text.empty()) return;
  const auto [from, size] = scene.range();
  const std::string piece = scene.text.substr(from, size);
  const size_t to = scene.random.below(scene.text.size());
  scene.text.replace(to, std::min(size, scene.text.size() - to), piece);
}

void splice(Scene& scene) {
  if (scene.other.empty()) return;
  const size_t cut = scene.place(), from = scene.random.below(scene.other.size());
  if (scene.random.below(2) == 0) {
    scene.text = scene.text.substr(0, cut).append(scene.other.substr(from));
  } else {
    scene.text.insert(cut, scene.other.substr(from, 1 + scene.random.below(kMostRange)));
  }
}

void insert_word(Scene& scene) {
  if (scene.words.empty()) return;
  const std::string& word = any_of(scene.words, scene.random);
  const size_t at = scene.place();
  const size_t over = scene.random.below(2) == 0 ? 0 : word.size();
  scene.text.replace(at, std::min(over, scene.text.size() - at), word);
}

// Little-endian, 1, 2, 4 or 8 bytes wide.
void set_integer(Scene& scene) {
  const size_t width = size_t{1} << scene.random.below(4);
  if (scene.text.size() < width) return;
  const size_t at = scene.random.below(scene.text.size() - width + 1);
  uint64_t value = 0;
  std::memcpy(&value, scene.text.data() + at, width);
  if (scene.random.below(2) == 0) {
    value += scene.random.below(9) - 4;
  } else {
    value = static_cast<uint64_t>(edge_number(scene.random));
  }
  std::memcpy(scene.text.data() + at, &value, width);
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

// Protobuf's numbers and lengths.
void set_varint(Scene& scene) {
  if (scene.text.empty()) return;
  const size_t begin = scene.random.below(scene.text.size());
  uint64_t value = 0;
  size_t end = begin;
  for (int shift = 0; end < scene.text.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(scene.text[end++]);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const bool nearby = scene.random.below(2) == 0;
  value =
      nearby ? value + scene.random.below(9) - 4 : static_cast<uint64_t>(edge_number(scene.random));
  scene.text.replace(begin, end - begin, varint(value));
}

void set_decimal(Scene& scene) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const auto from = scene.text.begin() + static_cast<std::ptrdiff_t>(scene.place());
  const auto begin = std::find_if(from, scene.text.end(), is_digit);
  const auto end = std::find_if_not(begin, scene.text.end(), is_digit);
  scene.text.replace(begin, end, std::to_string(edge_number(scene.random)));
}

constexpr std::array kChanges = {flip_bit,        set_byte,    insert_bytes, erase_range,
                                 repeat_range,    splice,      insert_word,  insert_word,
                                 overwrite_range, set_integer, set_varint,   set_decimal};

}  // namespace

int64_t edge_number(Random& random) {
  constexpr std::array<int64_t, 26> kEdges = {-1,
                                              0,
                                              1,
                                              2,
                                              3,
                                              4,
                                              8,
                                              15,
                                              16,
                                              31,
                                              127,
                                              128,
                                              255,
                                              256,
                                              4095,
                                              4096,
                                              4097,
                                              65535,
                                              65536,
                                              std::numeric_limits<int32_t>::max(),
                                              std::numeric_limits<int32_t>::min(),
                                              int64_t{1} << 32,
                                              (int64_t{1} << 32) + 1,
                                              int64_t{1} << 62,
                                              std::numeric_limits<int64_t>::max(),
                                              std::numeric_limits<int64_t>::min()};
  return any_of(kEdges, random);
}

std::string mutate_bytes(std::string_view input, std::string_view other,
                         std::span<const std::string> words, size_t most, Random& random) {
  Scene scene{std::string(input), other, words, random};
  for (uint64_t changes = 1 + random.below(8); changes > 0; --changes) {
    any_of(kChanges, random)(scene);
    if (scene.text.size() > most) scene.text.resize(most);
  }
  return scene.text;
}

}  // namespace espalier::fuzz
