#include "core/data/splits_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"

namespace espalier {
namespace {

constexpr std::string_view kMagic = "espalierexample3";
constexpr size_t kDigestDigits = 64;
static_assert(kMagic.size() == 16);

size_t padding_of(size_t bytes) { return (8 - bytes % 8) % 8; }

// The lists that `of` finds in elements hold these items.
template <class Elements, class Of>
using ItemOf = typename std::remove_cvref_t<
    std::invoke_result_t<Of, typename Elements::value_type&>>::value_type;

// Columns to bytes; without a stream it only counts them.
class ColumnWriter {
 public:
  explicit ColumnWriter(std::ostream* out) : out_(out) { put(std::span(kMagic)); }

  template <class T>
  void number(const T& value) {
    const auto wide = static_cast<int64_t>(value);
    put(std::span(&wide, 1));
  }
  template <class Items>
  void list(const Items& items) {
    number(items.size());
    put(std::span(items));
    pad();
  }
  template <class Elements, class Of = std::identity>
  void lists(const Elements& elements, Of of = {}) {
    ragged(elements.size(), [&](size_t i) { return std::span(std::invoke(of, elements[i])); });
  }
  void lists(const Targets& targets) {
    ragged(static_cast<size_t>(targets.size()),
           [&](size_t i) { return targets[static_cast<int64_t>(i)]; });
  }
  void end() {
    if (out_ == nullptr) return;
    const std::string digest = hash_.hex();
    out_->write(digest.data(), static_cast<std::streamsize>(digest.size()));
  }
  uint64_t bytes() const { return bytes_ + kDigestDigits; }

 private:
  template <class Get>
  void ragged(size_t size, Get get) {
    number(size);
    uint64_t end = 0;
    for (size_t i = 0; i < size; ++i) number(end += get(i).size());
    for (size_t i = 0; i < size; ++i) put(get(i));
    pad();
  }
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

// A column of lists, where it lies.
template <class T>
struct Ragged {
  std::span<const uint64_t> ends;
  std::span<const T> items;
  std::span<const T> operator[](size_t i) const {
    const uint64_t begin = i == 0 ? 0 : ends[i - 1];
    return items.subspan(begin, ends[i] - begin);
  }
};

// The inverse of ColumnWriter, call by call. What does not fit into the bytes reads as empty, and
// ok() is false from then on.
class ColumnReader {
 public:
  explicit ColumnReader(std::span<const std::byte> bytes) : left_(bytes) {}
  // Whether all that was read was there, and nothing else is.
  bool ok() const { return ok_ && left_.empty(); }

  template <class T>
  void number(T& value) {
    const auto read = items<int64_t>(1);
    value = static_cast<T>(read.empty() ? 0 : read[0]);
  }
  template <class Items>
  void list(Items& out) {
    const auto read = items<typename Items::value_type>(length());
    out.assign(read.begin(), read.end());
  }
  // The first column that is read of some elements says how many there are.
  template <class Elements, class Of = std::identity>
  void lists(Elements& elements, Of of = {}) {
    const auto read = ragged<ItemOf<Elements, Of>>();
    if (elements.empty()) elements.resize(read.ends.size());
    if (elements.size() != read.ends.size()) return fail();
    for (size_t i = 0; i < elements.size(); ++i)
      std::invoke(of, elements[i]).assign(read[i].begin(), read[i].end());
  }
  void lists(Targets& targets) {
    const auto read = ragged<float>();
    for (size_t i = 0; i < read.ends.size(); ++i) targets.add(read[i]);
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
  template <class T>
  Ragged<T> ragged() {
    Ragged<T> out;
    out.ends = items<uint64_t>(length());
    out.items = items<T>(out.ends.empty() ? 0 : out.ends.back());
    // Where they rise to the number of items, each list is inside.
    const bool good = std::is_sorted(out.ends.begin(), out.ends.end()) &&
                      out.items.size() == (out.ends.empty() ? 0 : out.ends.back());
    if (good) return out;
    fail();
    return {};
  }

  std::span<const std::byte> left_;
  bool ok_ = true;
};

// One description for both directions. Who adds a member to one of these is told here.
template <class Columns, class E>
void exchange(Columns& columns, E& examples) {
  auto& [inputs, targets, objective, truncated, left_out, sample_of, places, passages] = examples;
  columns.number(objective);
  columns.number(truncated);
  columns.number(left_out);
  columns.lists(inputs, &Input::ids);
  columns.lists(inputs, &Input::types);
  columns.lists(inputs, &Input::asked);
  columns.lists(inputs, &Input::pixels);
  for (auto& [ids, types, asked, pixels, image_tokens] : inputs) columns.number(image_tokens);
  columns.lists(targets);
  columns.list(sample_of);
  columns.lists(places);
  columns.lists(passages, &Passage::text);
  for (auto& [text, answers] : passages) columns.lists(answers);
}

template <class Columns, class S>
void exchange_splits(Columns& columns, S& splits) {
  auto& [train, select, calibrate, report, unlabelled, label_names] = splits;
  columns.lists(label_names);
  for (auto* examples : {&train, &select, &calibrate, &report, &unlabelled})
    exchange(columns, *examples);
}

// Whether columns that belong together say so.
bool agree(const Examples& examples) {
  const size_t inputs = examples.inputs.size(), asked = examples.sample_of.size();
  bool good = examples.targets.size() == examples.size() &&
              examples.objective >= Objective::kClass && examples.objective <= Objective::kSpan &&
              (asked == 0 || asked == inputs) && examples.places.size() == asked;
  for (const Input& input : examples.inputs) {
    good = good && input.types.size() == input.ids.size();
    for (const int32_t place : input.asked)
      good = good && place >= 0 && static_cast<size_t>(place) < input.ids.size();
  }
  for (size_t i = 0; good && i < asked; ++i) {
    const int64_t sample = examples.sample_of[i];
    good = examples.places[i].size() == examples.inputs[i].ids.size() && sample >= 0 &&
           static_cast<size_t>(sample) < examples.passages.size();
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
  const MappedFile file(path);
  std::error_code error;
  if (file.bytes().empty() && !std::filesystem::exists(path, error))
    return absl::NotFoundError(absl::StrCat("there is no ", path));
  const auto damaged = absl::DataLossError(absl::StrCat(path, " is not as it was written"));
  if (!is_as_written(file.bytes())) return damaged;
  const size_t columns_size = file.bytes().size() - kMagic.size() - kDigestDigits;
  ColumnReader columns(file.bytes().subspan(kMagic.size(), columns_size));
  Splits out;
  exchange_splits(columns, out);
  for (const Examples* examples : out.each())
    if (!columns.ok() || !agree(*examples)) return damaged;
  return out;
}

}  // namespace espalier
