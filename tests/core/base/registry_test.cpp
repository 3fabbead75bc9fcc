#include "core/base/registry.h"

#include "gtest/gtest.h"

namespace espalier {
namespace {

struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
};
struct Square : Shape {
  struct Options {
    double side = 2;
    void read(OptionReader& r) { r.number("side", side, 0, 10, "Length."); }
  };
  explicit Square(Options options) : options_(options) {}
  double area() const override { return options_.side * options_.side; }
  Options options_;
};

Registry<Shape> shapes() {
  return {"shape", {entry<Shape, Square>("square", "Four sides.", "Euclid")}};
}

TEST(Registry, MakesWhatItKnowsWithItsOptions) {
  EXPECT_EQ((*shapes().make("square", nullptr))->area(), 4);
  EXPECT_EQ((*shapes().make("square", {{"side", 3}}))->area(), 9);
}

TEST(Registry, NamesTheKnownOnesAndPassesOptionErrorsOn) {
  EXPECT_EQ(shapes().make("sqare", nullptr).status().message(),
            "unknown shape \"sqare\"; known: square");
  EXPECT_TRUE(absl::IsInvalidArgument(shapes().make("square", {{"side", 11}}).status()));
}

}  // namespace
}  // namespace espalier
