// What all tokenizers do alike: added tokens are cut out of the text, the rest is normalised and
// taken apart by one of them, special tokens are put around it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/special_template.h"
#include "core/text/tokenizer.h"

namespace espalier {

// A text as the model sees it. `places` has, if somebody asks for offsets, for every byte of `text`
// the code points of the original that it came from.
struct Normalized {
  std::string text;
  std::vector<Span> places;
  bool traced = false;

  void clear() {
    text.clear();
    places.clear();
  }
  // For bytes that were appended to `text` since the last call.
  void trace(Span place) {
    if (traced) places.resize(text.size(), place);
  }
};

// The tokens so far.
struct Pieces {
  std::vector<int32_t> ids;
  std::vector<Span>* offsets = nullptr;
  OffsetTrim trim;
  bool is_word = false;  // see Tokenizer::tokenize_word

  // A piece that is made of the bytes [begin, end) of `from`.
  void add(int32_t id, const Normalized& from, size_t begin, size_t end) {
    ids.push_back(id);
    if (offsets != nullptr) offsets->push_back(place(from, begin, end, /*is_added=*/false));
  }
  void add_token(int32_t id, const Normalized& from, size_t begin, size_t end) {
    ids.push_back(id);
    if (offsets != nullptr) offsets->push_back(place(from, begin, end, /*is_added=*/true));
  }

 private:
  Span place(const Normalized& from, size_t begin, size_t end, bool is_added) const;
};

// What tells tokenizers apart.
class TextModel {
 public:
  virtual ~TextModel() = default;
  // Appends `text` (UTF-8), whose first character is the code point `first` of the original.
  virtual void normalize(std::string_view text, int32_t first, Normalized& out) const = 0;
  // Takes the bytes [begin, end) of `text` apart.
  virtual void take_apart(const Normalized& text, size_t begin, size_t end, Pieces& out) const = 0;
};

class Pipeline : public Tokenizer {
 public:
  struct Parts {
    std::unique_ptr<TextModel> model;
    std::vector<AddedToken> added;
    PostProcessor post;
    SpecialTokens specials;
    int vocabulary = 0;
    std::vector<std::string> written;  // by id
  };
  explicit Pipeline(Parts parts);

  std::vector<int32_t> tokenize(std::string_view text,
                                std::vector<Span>* offsets = nullptr) const override {
    return run(text, {.offsets = offsets, .trim = parts_.post.trim});
  }
  std::vector<int32_t> tokenize_word(std::string_view word,
                                     std::vector<Span>* offsets = nullptr) const override {
    return run(word, {.offsets = offsets, .trim = {parts_.post.trim.on, true}, .is_word = true});
  }
  Encoding join(std::span<const int32_t> first, std::span<const int32_t> second,
                bool has_pair) const override {
    return parts_.post.around.join(first, second, has_pair);
  }
  int added_tokens(bool has_pair) const override { return parts_.post.around.added(has_pair); }
  int vocabulary() const override { return parts_.vocabulary; }
  SpecialTokens specials() const override { return parts_.specials; }
  std::vector<int32_t> special_ids() const override { return special_ids_; }
  std::string written(int32_t id) const override {
    const auto place = static_cast<size_t>(id);
    return place < parts_.written.size() ? parts_.written[place] : std::string();
  }

 private:
  std::vector<int32_t> run(std::string_view text, Pieces out) const;
  void add_plain(const Normalized& text, Pieces& out) const;

  Parts parts_;
  std::vector<int32_t> special_ids_;
  // Looked for in the text as it came, then in what was normalised between them.
  AddedTokens raw_, normalized_;
};

// Every byte with the place of its character; for texts that are their own normal form.
void normalize_to_itself(std::string_view text, int32_t first, Normalized& out);

}  // namespace espalier
