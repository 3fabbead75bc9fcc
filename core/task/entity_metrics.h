// Token classification is judged by entities, runs of tags such as B-PER I-PER: an entity is right
// when its type, begin and end are. Micro-averaged over all sentences, as seqeval does it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace espalier {

// Tokens begin..end-1 of one sentence; `type` points into the tag ("PER" of "B-PER").
struct Entity {
  std::string_view type;
  int64_t begin, end;
  bool operator==(const Entity&) const = default;
};

enum class EntityScheme {
  // seqeval's default (the rules of CoNLL's script): what a tagger writes is read kindly. A tag is
  // a letter B, I, E, S or O and a type after the first "-" (no type is the type "_"). An entity
  // goes on at I or E of its type after B or I; every other tag but O begins one. So "O I-PER" has
  // an entity, and "B-PER I-LOC" has two.
  kLenient,
  // seqeval's mode="strict" with IOB2: B begins an entity, I of its type goes on; an I elsewhere,
  // and any E or S, belongs to none.
  kStrictIob2,
};

// In order of their begin. A tag that starts with another letter, or with none, counts
// as O (seqeval warns and guesses). The tags must outlive the answer.
std::vector<Entity> find_entities(std::span<const std::string_view> tags, EntityScheme scheme);

// Of one sentence, or summed over many.
struct EntityCounts {
  int64_t truth = 0, predicted = 0, both = 0;
  EntityCounts& operator+=(const EntityCounts& other);
};
EntityCounts count_entities(std::span<const std::string_view> truth,
                            std::span<const std::string_view> predicted, EntityScheme scheme);

// Shares of 1; 0 where the denominator is.
double entity_precision(const EntityCounts& counts);
double entity_recall(const EntityCounts& counts);
double entity_f1(const EntityCounts& counts);

}  // namespace espalier
