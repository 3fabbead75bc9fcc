#include "core/text/trie.h"

#include <bit>

namespace espalier {

Trie::Trie() : edges_(64), mask_(63), shift_(58), values_{kAbsent} {}

void Trie::insert(std::string_view key, int32_t value) {
  Node node = kRoot;
  for (const char byte : key) {
    const auto c = static_cast<unsigned char>(byte);
    Node to = next(node, c);
    if (to == kNowhere) {
      to = static_cast<Node>(values_.size());
      values_.push_back(kAbsent);
      if (2 * values_.size() > edges_.size()) grow();
      place({node << 8 | c, to});
    }
    node = to;
  }
  values_[node] = value;
}

void Trie::place(Edge edge) {
  size_t slot = slot_of(edge.key);
  while (edges_[slot].to != kRoot) slot = (slot + 1) & mask_;
  edges_[slot] = edge;
}

void Trie::grow() {
  std::vector<Edge> before(2 * edges_.size());
  before.swap(edges_);
  mask_ = edges_.size() - 1;
  shift_ = 64 - std::countr_zero(edges_.size());
  for (const Edge& edge : before) {
    if (edge.to != kRoot) place(edge);
  }
}

}  // namespace espalier
