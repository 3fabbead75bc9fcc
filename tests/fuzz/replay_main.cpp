// A target without libFuzzer, for any compiler: runs a corpus, and then changes of what it has,
// drawn by a seed. An input that is answered in a way not seen before becomes a parent itself.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "core/base/hash.h"
#include "tests/fuzz/byte_mutator.h"
#include "tests/fuzz/fuzz_target.h"

namespace espalier::fuzz {
namespace {

constexpr size_t kMostBytes = 16 << 10, kMostParents = 4096;

struct Flags {
  std::string corpus, write_corpus, keep = "fuzz-failure";
  uint64_t runs = 5000, seed = 1;
};

constexpr char kUsage[] =
    "usage: %s [--corpus FOLDER] [--runs N] [--seed N] [--keep FILE] [--write-corpus FOLDER]\n"
    "  --corpus        runs every file of it, and changes them too\n"
    "  --keep          where an input that breaks a promise is left (fuzz-failure)\n"
    "  --write-corpus  writes what is run and answered in ways of its own, one file each\n";

Flags parse_or_exit(int argc, char** argv) {
  Flags flags;
  const auto usage = [&] {
    std::fprintf(stderr, kUsage, argv[0]);
    std::exit(2);
  };
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) usage();
    const std::string value = argv[i + 1];
    bool known = true;
    if (name == "--corpus") {
      flags.corpus = value;
    } else if (name == "--write-corpus") {
      flags.write_corpus = value;
    } else if (name == "--keep") {
      flags.keep = value;
    } else if (name == "--runs") {
      known = absl::SimpleAtoi(value, &flags.runs);
    } else if (name == "--seed") {
      known = absl::SimpleAtoi(value, &flags.seed);
    } else {
      known = false;
    }
    if (!known) usage();
  }
  return flags;
}

std::string content_of(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
}

// What is being run, for the handler of SIGABRT, which is how promises and sanitizers end.
std::string current, keep_as;

void keep_current(int) {
  write(keep_as, current);
  std::fprintf(stderr, "the input is in %s; run it with --runs 0 --corpus FOLDER\n",
               keep_as.c_str());
}

class Replay {
 public:
  Replay(Target target, uint64_t seed) : target_(std::move(target)), random_(seed) {}

  void run(const std::string& input) {
    current = input;
    ++runs_;
    if (!kinds_.insert(target_.run(input)).second) return;
    if (parents_.size() < kMostParents) parents_.push_back(input);
  }

  void run_changed() {
    static const std::string nothing;
    const std::string& parent = parents_.empty() ? nothing : any_of(parents_, random_);
    if (target_.mutate != nullptr && random_.below(4) != 0) {
      std::string changed = target_.mutate(parent, random_);
      // What the other half of the requests is: not even of the right form.
      if (random_.below(8) == 0) changed = bytes_of(changed);
      return run(changed.substr(0, kMostBytes));
    }
    run(bytes_of(parent));
  }

  const std::vector<std::string>& seeds() const { return target_.seeds; }
  const std::vector<std::string>& parents() const { return parents_; }
  const std::set<std::string>& kinds() const { return kinds_; }
  uint64_t runs() const { return runs_; }

 private:
  std::string bytes_of(const std::string& input) {
    return mutate_bytes(input, any_of(parents_, random_), target_.words, kMostBytes, random_);
  }

  const Target target_;
  Random random_;
  std::vector<std::string> parents_;
  std::set<std::string> kinds_;
  uint64_t runs_ = 0;
};

}  // namespace

int replay(int argc, char** argv) {
  const Flags flags = parse_or_exit(argc, argv);
  keep_as = flags.keep;
  std::signal(SIGABRT, keep_current);
  Replay replay(fuzz_target(), flags.seed);
  for (const std::string& seed : replay.seeds()) replay.run(seed);
  if (!flags.corpus.empty()) {
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(flags.corpus))
      files.insert(entry.path());
    for (const auto& file : files) replay.run(content_of(file));
  }
  const uint64_t given = replay.runs();
  for (uint64_t i = 0; i < flags.runs; ++i) {
    replay.run_changed();
    if ((i + 1) % 1'000'000 == 0)
      std::printf("%zu kinds of answers after %zu changed inputs\n", replay.kinds().size(),
                  static_cast<size_t>(i + 1));
  }
  std::printf("%zu inputs as given, %zu changed ones: %zu kinds of answers\n",
              static_cast<size_t>(given), static_cast<size_t>(flags.runs), replay.kinds().size());
  if (std::getenv("ESPALIER_FUZZ_KINDS") != nullptr) {
    for (const std::string& kind : replay.kinds()) std::printf("  %s\n", kind.c_str());
  }
  if (flags.write_corpus.empty()) return 0;
  std::filesystem::create_directories(flags.write_corpus);
  for (const std::string& parent : replay.parents())
    write(std::filesystem::path(flags.write_corpus) / sha256_hex(parent).substr(0, 16), parent);
  return 0;
}

}  // namespace espalier::fuzz

int main(int argc, char** argv) { return espalier::fuzz::replay(argc, argv); }
