// A target under libFuzzer (clang): guided by the code that an input reaches. `-fork`, `-runs`,
// `-max_total_time` and so on are its own flags.
#include <cstdint>
#include <cstring>
#include <string>

#include "tests/fuzz/fuzz_target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {

const espalier::fuzz::Target& target() {
  static const espalier::fuzz::Target made = espalier::fuzz::fuzz_target();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target().run({reinterpret_cast<const char*>(data), size});
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  espalier::Random random(seed);
  if (target().mutate == nullptr || random.below(2) == 0) return LLVMFuzzerMutate(data, size, most);
  const std::string changed = target().mutate({reinterpret_cast<const char*>(data), size}, random);
  if (changed.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, changed.data(), changed.size());
  return changed.size();
}
