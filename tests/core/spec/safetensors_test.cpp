#include "core/spec/safetensors.h"

#include <cstring>

#include "core/base/files.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;
using testing::Scratch;

std::string with_length(uint64_t length, const std::string& rest) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(length >> (8 * i)));
  return out + rest;
}
std::string file_of(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\0'));
}
absl::Status open(const std::string& bytes) {
  Scratch scratch;
  return SafetensorsFile::open(scratch.write("x.safetensors", bytes)).status();
}

constexpr char kOne[] = R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";

TEST(Safetensors, ReadsAWellFormedFile) {
  Scratch scratch;
  std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("e":{"dtype":"F32","shape":[0,3],"data_offsets":[8,8]},"s":{"data_offsets":[8,10],"shape":[],"dtype":"BF16"}}  )";
  auto file =
      SafetensorsFile::open(scratch.write("x", with_length(header.size(), header + "01234567xy")));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->metadata().at("format"), "pt");
  ASSERT_EQ((*file)->tensors().size(), 3u);
  const TensorInfo& s = (*file)->tensors().at("s");
  EXPECT_EQ(s.dtype, "BF16");
  EXPECT_TRUE(s.shape.empty());
  EXPECT_EQ(std::memcmp((*file)->data(s), "xy", 2), 0);
}

TEST(Safetensors, TakesAnEmptyListOfTensors) { EXPECT_TRUE(open(file_of("{}", 0)).ok()); }

TEST(Safetensors, RefusesWhatIsNotWhatItSays) {
  const std::string nested =
      R"({"a":{"dtype":"F32","shape":)" + std::string(5000, '[') + std::string(5000, ']') + "}}";
  const std::string deep = std::string(100000, '[');
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += R"({"a":)";
  const struct {
    const char* what;
    std::string bytes, message;
  } kCases[] = {
      {"empty", "", "this has 0 bytes"},
      {"shorter than a length", "1234", "this has 4 bytes"},
      {"length beyond the file", with_length(1000, "{}"),
       "claims 1000 bytes, but the file holds 2"},
      {"length of all ones", with_length(UINT64_MAX, "{}"), "claims 18446744073709551615"},
      {"length beyond the limit", with_length(100'000'001, "{}"), "claims 100000001"},
      {"length too short", with_length(10, kOne), "no valid JSON"},
      {"length of nothing", with_length(0, "{}"), "does not begin with '{'"},
      {"no JSON", file_of("{\"a\":", 0), "no valid JSON"},
      {"a list", file_of("[]", 0), "does not begin"},
      {"bad UTF-8", file_of("{\"\xFF\":1}", 0), "no valid JSON"},
      {"truncated data", file_of(kOne, 15), "claims bytes 0 to 16, but the file holds 15"},
      {"data that nobody names", file_of(kOne, 17), "tensors end at byte 16"},
      {"offsets backwards", file_of(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}})", 8),
       "claims bytes 8 to 0"},
      {"offset of 2^63",
       file_of(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775808,9223372036854775809]}})",
           8),
       "but the file holds"},
      {"offset beyond 64 bits",
       file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,99999999999999999999]}})", 8),
       "no integer in range"},
      {"negative offset", file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 8),
       "negative"},
      {"shape too large for its bytes",
       file_of(R"({"a":{"dtype":"F32","shape":[3,2],"data_offsets":[0,16]}})", 16),
       "shape [3, 2] of F32, but its offsets span 16"},
      {"dtype too wide",
       file_of(R"({"a":{"dtype":"F64","shape":[2,2],"data_offsets":[0,16]}})", 16), "of F64"},
      {"unknown dtype", file_of(R"({"a":{"dtype":"F31","shape":[4],"data_offsets":[0,16]}})", 16),
       "unknown dtype F31"},
      {"negative shape",
       file_of(R"({"a":{"dtype":"F32","shape":[-2,-2],"data_offsets":[0,16]}})", 16), "negative"},
      {"overflowing shape",
       file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}})",
               16),
       "its offsets span"},
      {"shape beyond int64",
       file_of(R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}})", 1),
       "out of range"},
      {"fractional shape",
       file_of(R"({"a":{"dtype":"F32","shape":[4.0],"data_offsets":[0,16]}})", 16), "no integer"},
      {"too many dimensions",
       file_of(
           R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
           1),
       "out of range"},
      {"overlap",
       file_of(
           R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
           6),
       "b overlaps a"},
      {"the same bytes twice",
       file_of(
           R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
           4),
       "overlaps"},
      {"gap", file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", 8),
       "leaves a gap"},
      {"a name twice",
       file_of(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
           2),
       "names a twice"},
      {"a field twice",
       file_of(R"({"a":{"dtype":"U8","dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 16),
       "dtype twice"},
      {"no offsets", file_of(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "lacks"},
      {"no shape", file_of(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "lacks"},
      {"three offsets", file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1),
       "more than two"},
      {"an unknown field",
       file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"y"}})", 1),
       "does not belong"},
      {"a number for a tensor", file_of(R"({"a":1})", 0), "does not belong"},
      {"an empty name", file_of(R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0),
       "empty or overlong name"},
      {"metadata that is no text", file_of(R"({"__metadata__":{"a":1}})", 0), "does not belong"},
      {"metadata that nests", file_of(R"({"__metadata__":{"a":{"b":"c"}}})", 0), "nests"},
      {"lists in lists", file_of(nested, 16), "does not belong"},
      {"objects in objects", file_of(objects, 0), "nests"},
      {"a hundred thousand lists", file_of("{\"a\":" + deep, 0), "does not belong"},
      {"PyTorch's zip", "PK\x03\x04" + std::string(100, 'x'), "this is a pickle"},
      {"a raw pickle", "\x80\x02" + std::string(100, 'x'), "this is a pickle"},
      {"a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n",
       "Git LFS pointer of 66 bytes, not the weights"},
      {"a short raw pickle", "\x80\x04N.....x", "this is a pickle"},
  };
  for (const auto& c : kCases) EXPECT_THAT(open(c.bytes), Refuses(c.message)) << c.what;
}

TEST(Safetensors, IsNoPickleOnlyBecauseItsLengthLooksLikeOne) {
  std::string header = kOne;
  header.resize(0x0280, ' ');  // the length's bytes are 80 02, as a pickle begins
  EXPECT_TRUE(open(file_of(header, 16)).ok());
}

TEST(Safetensors, NamesTheFileThatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(SafetensorsFile::open("/nowhere/x.safetensors").status()));
  EXPECT_FALSE(SafetensorsFile::open(::testing::TempDir()).ok());
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  Scratch scratch;
  const std::string path = scratch.path() + "/x.safetensors";
  const float floats[] = {1, 2, 3};
  const uint8_t bytes[] = {7, 8, 9};
  const int64_t wide[] = {-1};
  ASSERT_TRUE(write_safetensors(path,
                                {{"a", "U8", {3}, bytes},
                                 {"b", "F32", {3, 1}, floats},
                                 {"c", "I64", {}, wide},
                                 {"d", "F32", {0}, nullptr}},
                                {{"k", "v"}})
                  .ok());
  auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto& tensors = (*file)->tensors();
  EXPECT_EQ(tensors.at("b").shape, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(std::memcmp((*file)->data(tensors.at("a")), bytes, 3), 0);
  EXPECT_EQ(std::memcmp((*file)->data(tensors.at("b")), floats, 12), 0);
  EXPECT_EQ(std::memcmp((*file)->data(tensors.at("c")), wide, 8), 0);
  EXPECT_EQ((*file)->metadata().at("k"), "v");
  for (const auto& [name, info] : tensors) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>((*file)->data(info)) % dtype_size(info.dtype), 0u)
        << name;
  }
}

TEST(Safetensors, WritesEqualBytesForEqualTensors) {
  Scratch scratch;
  const float x[] = {1}, y[] = {2};
  ASSERT_TRUE(
      write_safetensors(scratch.path() + "/1", {{"x", "F32", {1}, x}, {"y", "F32", {1}, y}}).ok());
  ASSERT_TRUE(
      write_safetensors(scratch.path() + "/2", {{"y", "F32", {1}, y}, {"x", "F32", {1}, x}}).ok());
  EXPECT_EQ(*read_file(scratch.path() + "/1"), *read_file(scratch.path() + "/2"));
}

TEST(Safetensors, RefusesToWriteWhatItWouldNotRead) {
  Scratch scratch;
  const float x[] = {1};
  EXPECT_FALSE(write_safetensors(scratch.path() + "/x", {{"a", "F31", {1}, x}}).ok());
  EXPECT_FALSE(write_safetensors(scratch.path() + "/x", {{"a", "F32", {-1}, x}}).ok());
  EXPECT_FALSE(
      write_safetensors(scratch.path() + "/x", {{"a", "F32", {1}, x}, {"a", "F32", {1}, x}}).ok());
  EXPECT_FALSE(write_safetensors(scratch.path() + "/none/x", {{"a", "F32", {1}, x}}).ok());
}

}  // namespace
}  // namespace espalier
