#include "core/text/trie.h"

#include <string>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(Trie, FindsTheLongestKeyAtAPlace) {
  Trie trie;
  trie.insert("un", 1);
  trie.insert("unable", 2);
  EXPECT_EQ(trie.longest(Trie::kRoot, "unabl").value, 1);
  EXPECT_EQ(trie.longest(Trie::kRoot, "unablest").length, 6u);
  EXPECT_EQ(trie.longest(Trie::kRoot, "able").value, Trie::kAbsent);
  EXPECT_EQ(trie.longest(trie.walk(Trie::kRoot, "un"), "able!").value, 2);
  EXPECT_EQ(trie.longest(trie.walk(Trie::kRoot, "x"), "able!").length, 0u);
}

TEST(Trie, KeepsAllOfManyKeys) {
  Trie trie;
  for (int i = 0; i < 5000; ++i) trie.insert(std::to_string(i * 7919), i);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(trie.find(std::to_string(i * 7919)), i);
  EXPECT_EQ(trie.find("7918"), Trie::kAbsent);
  EXPECT_EQ(trie.find(std::string(1, '\0')), Trie::kAbsent);
}

}  // namespace
}  // namespace espalier
