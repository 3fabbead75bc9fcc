// Strings to numbers, walked byte by byte: the longest string at a place is found in one walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace espalier {

// Edges live in one open-addressing table keyed by (node, byte): no pointers to chase, and no node
// has a table of its own.
class Trie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0, kNowhere = ~Node{0};
  static constexpr int32_t kAbsent = -1;

  Trie();
  // The last value given to a key stays. Values are 0 or more; there is room for 16 million nodes.
  void insert(std::string_view key, int32_t value);

  // Where `byte` leads from `node`; kNowhere if no key goes on so.
  Node next(Node node, unsigned char byte) const {
    const uint32_t key = node << 8 | byte;
    for (size_t slot = slot_of(key);; slot = (slot + 1) & mask_) {
      const Edge& edge = edges_[slot];
      if (edge.to == kRoot) return kNowhere;  // nothing leads to the root: an empty slot
      if (edge.key == key) return edge.to;
    }
  }
  Node walk(Node node, std::string_view bytes) const {
    for (size_t i = 0; i < bytes.size() && node != kNowhere; ++i)
      node = next(node, static_cast<unsigned char>(bytes[i]));
    return node;
  }
  int32_t value(Node node) const { return node == kNowhere ? kAbsent : values_[node]; }
  int32_t find(std::string_view key) const { return value(walk(kRoot, key)); }

  struct Match {
    int32_t value = kAbsent;
    size_t length = 0;
  };
  // The longest key (or, from another node than the root, rest of a key) that `text` begins with.
  Match longest(Node from, std::string_view text) const {
    Match out;
    if (from == kNowhere) return out;
    for (size_t i = 0; i < text.size(); ++i) {
      from = next(from, static_cast<unsigned char>(text[i]));
      if (from == kNowhere) break;
      if (values_[from] != kAbsent) out = {values_[from], i + 1};
    }
    return out;
  }

 private:
  struct Edge {
    uint32_t key = 0;
    Node to = kRoot;
  };
  size_t slot_of(uint32_t key) const { return (key * 0x9E3779B97F4A7C15ull) >> shift_; }
  void place(Edge edge);
  void grow();

  std::vector<Edge> edges_;  // at most half full
  size_t mask_ = 0;
  int shift_ = 0;
  std::vector<int32_t> values_;  // of every node
};

}  // namespace espalier
