#include "core/base/hash.h"

#include <fstream>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(Sha256, AgreesWithTheStandard) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, MayBeFedInPieces) {
  Sha256 hash;
  hash.update("a");
  hash.update("");
  hash.update("bc");
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  const std::string path = ::testing::TempDir() + "espalier_hash";
  const std::string bytes((1 << 20) + 17, 'x');  // longer than one buffer
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(*sha256_of_file(path), sha256_hex(bytes));
  EXPECT_FALSE(sha256_of_file(path + ".none").ok());
}

TEST(Crc32c, AgreesWithTheStandardAndContinues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xE3069283u);
}

}  // namespace
}  // namespace espalier
