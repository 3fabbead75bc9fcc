#include "core/data/splits_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"

namespace espalier {
namespace {

constexpr std::string_view kMagic = "espalierexample4";
constexpr size_t kDigestDigits = 64;
static_assert(kMagic.size() == 16);

size_t padding_of(size_t bytes) { return (8 - bytes % 8) % 8; }

// Columns to bytes; without a stream it only counts them.
class ColumnWriter {
 public:
  explicit ColumnWriter(std::ostream* out) : out_(out) { put(std::span(kMagic)); }

  template <class T>
  void number(const T& value) {
    const auto wide = static_cast<int64_t>(value);
    put(std::span(&wide, 1));
  }
  template <class T>
  void column(const LargeArray<T>& array) {
    number(array.size());
    put(array.items());
    pad();
  }
  template <class T>
  void column(const LargeLists<T>& lists) {
    column(lists.ends());
    put(lists.items().items());
    pad();
  }
  void column(const Targets& targets) { column(targets.lists()); }
  void column(const std::vector<std::string>& texts) {
    LargeLists<char> lists;
    for (const std::string& text : texts) lists.add(text);
    column(lists);
  }
  void end() {
    if (out_ == nullptr) return;
    const std::string digest = hash_.hex();
    out_->write(digest.data(), static_cast<std::streamsize>(digest.size()));
  }
  uint64_t bytes() const { return bytes_ + kDigestDigits; }

 private:
  void pad() {
    static constexpr char kZeros[8] = {};
    put(std::span(kZeros, padding_of(bytes_)));
  }
  template <class T, size_t N>
  void put(std::span<const T, N> items) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_ += items.size_bytes();
    if (out_ == nullptr || items.empty()) return;
    hash_.update(items.data(), items.size_bytes());
    out_->write(reinterpret_cast<const char*>(items.data()),
                static_cast<std::streamsize>(items.size_bytes()));
  }

  std::ostream* out_;
  Sha256 hash_;
  uint64_t bytes_ = 0;
};

// The inverse of ColumnWriter, call by call; columns are views of the bytes, which `owner` holds.
// What does not fit into the bytes reads as empty, and ok() is false from then on.
class ColumnReader {
 public:
  ColumnReader(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : left_(bytes), owner_(std::move(owner)) {}
  // Whether all that was read was there, and nothing else is.
  bool ok() const { return ok_ && left_.empty(); }

  template <class T>
  void number(T& value) {
    const auto read = items<int64_t>(1);
    value = static_cast<T>(read.empty() ? 0 : read[0]);
  }
  template <class T>
  void column(LargeArray<T>& out) {
    out = {items<T>(length()), owner_};
  }
  template <class T>
  void column(LargeLists<T>& out) {
    const auto ends = items<uint64_t>(length());
    const uint64_t last = ends.empty() ? 0 : ends.back();
    const auto all = items<T>(last);
    // Where they rise to the number of items, each list is inside.
    if (all.size() != last || !std::is_sorted(ends.begin(), ends.end())) return fail();
    out = {{ends, owner_}, {all, owner_}};
  }
  void column(Targets& out) {
    LargeLists<float> lists;
    column(lists);
    out = Targets(std::move(lists));
  }
  void column(std::vector<std::string>& out) {
    LargeLists<char> lists;
    column(lists);
    for (int64_t i = 0; i < lists.size(); ++i) out.emplace_back(lists[i].begin(), lists[i].end());
  }

 private:
  void fail() {
    ok_ = false;
    left_ = {};
  }
  uint64_t length() {
    uint64_t out = 0;
    number(out);
    return out;
  }
  template <class T>
  std::span<const T> items(uint64_t count) {
    const bool fits = count <= left_.size() / sizeof(T);
    const size_t bytes = fits ? static_cast<size_t>(count) * sizeof(T) : 0;
    if (!fits || bytes + padding_of(bytes) > left_.size()) {
      fail();
      return {};
    }
    const std::span<const T> out(reinterpret_cast<const T*>(left_.data()), count);
    left_ = left_.subspan(bytes + padding_of(bytes));
    return out;
  }

  std::span<const std::byte> left_;
  std::shared_ptr<const void> owner_;
  bool ok_ = true;
};

// One description for both directions. Who adds a member to one of these is told here.
template <class Columns, class E>
void exchange(Columns& columns, E& examples) {
  auto& [ids, types, asked, pixels, image_tokens, targets, objective, truncated, left_out,
         sample_of, places, passages] = examples;
  columns.number(objective);
  columns.number(truncated);
  columns.number(left_out);
  columns.column(ids);
  columns.column(types);
  columns.column(asked);
  columns.column(pixels);
  columns.column(image_tokens);
  columns.column(targets);
  columns.column(sample_of);
  columns.column(places);
  auto& [texts, answers, ends_of_answers] = passages;
  columns.column(texts);
  columns.column(answers);
  columns.column(ends_of_answers);
}

template <class Columns, class S>
void exchange_splits(Columns& columns, S& splits) {
  auto& [train, select, calibrate, report, unlabelled, label_names] = splits;
  columns.column(label_names);
  for (auto* examples : {&train, &select, &calibrate, &report, &unlabelled})
    exchange(columns, *examples);
}

bool agree(const Passages& passages) {
  const auto ends = passages.ends_of_answers.items();
  return passages.ends_of_answers.size() == passages.size() &&
         std::is_sorted(ends.begin(), ends.end()) &&
         (ends.empty() ? 0 : ends.back()) == static_cast<uint64_t>(passages.answers.size());
}

// Whether columns that belong together say so.
bool agree(const Examples& examples) {
  const int64_t inputs = examples.size(), of_questions = examples.sample_of.size();
  const int64_t longest =
      std::max({examples.ids.size(), examples.types.size(), examples.asked.size(),
                examples.pixels.size(), examples.image_tokens.size()});
  bool good = longest <= inputs && examples.objective >= Objective::kClass &&
              examples.objective <= Objective::kSpan &&
              (of_questions == 0 || of_questions == inputs) &&
              examples.places.size() == of_questions && agree(examples.passages);
  for (int64_t i = 0; good && i < inputs; ++i) {
    const InputView input = examples.input(i);
    good = input.types.size() == input.ids.size();
    for (const int32_t place : input.asked)
      good = good && place >= 0 && static_cast<size_t>(place) < input.ids.size();
    if (of_questions == 0) continue;
    const int64_t sample = examples.sample_of[i];
    good = good && examples.places[i].size() == input.ids.size() && sample >= 0 &&
           sample < examples.passages.size();
  }
  return good;
}

class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    struct stat facts {};
    if (::fstat(file, &facts) == 0 && facts.st_size > 0) {
      const auto size = static_cast<size_t>(facts.st_size);
      void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
      if (map != MAP_FAILED) bytes_ = {static_cast<const std::byte*>(map), size};
    }
    ::close(file);
  }
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  // Empty where the file cannot be read.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

bool is_as_written(std::span<const std::byte> file) {
  if (file.size() < kMagic.size() + kDigestDigits) return false;
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const std::string_view before = text.substr(0, text.size() - kDigestDigits);
  return before.starts_with(kMagic) && sha256_hex(before) == text.substr(before.size());
}

}  // namespace

uint64_t splits_file_size(const Splits& splits) {
  ColumnWriter columns(nullptr);
  exchange_splits(columns, splits);
  return columns.bytes();
}

absl::Status write_splits(const std::string& path, const Splits& splits) {
  const std::string aside = aside_of(path);
  absl::Status status;
  {
    std::ofstream out(aside, std::ios::binary | std::ios::trunc);
    ColumnWriter columns(&out);
    exchange_splits(columns, splits);
    columns.end();
    out.flush();
    if (!out)
      status =
          absl::ResourceExhaustedError(absl::StrCat("cannot write ", aside, "; is the disk full?"));
  }
  if (status.ok()) status = publish_file(aside, path);
  std::error_code ignored;
  if (!status.ok()) std::filesystem::remove(aside, ignored);
  return status;
}

absl::StatusOr<Splits> read_splits(const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = file->bytes();
  std::error_code error;
  if (bytes.empty() && !std::filesystem::exists(path, error))
    return absl::NotFoundError(absl::StrCat("there is no ", path));
  const auto damaged = absl::DataLossError(absl::StrCat(path, " is not as it was written"));
  if (!is_as_written(bytes)) return damaged;
  ColumnReader columns(bytes.subspan(kMagic.size(), bytes.size() - kMagic.size() - kDigestDigits),
                       file);
  Splits out;
  exchange_splits(columns, out);
  for (const Examples* examples : out.each())
    if (!columns.ok() || !agree(*examples)) return damaged;
  return out;
}

}  // namespace espalier
