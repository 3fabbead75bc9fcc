#include "server/common/bounded_text.h"

#include <gtest/gtest.h>

namespace espalier::server {
namespace {

TEST(BoundedText, LeavesWhatFits) {
  EXPECT_EQ(bounded(std::string(100, 'a'), 100), std::string(100, 'a'));
}

TEST(BoundedText, SaysHowManyBytesAreMissing) {
  const std::string cut = bounded(std::string(1000, 'a'), 100);
  EXPECT_EQ(cut, std::string(59, 'a') + "... (941 bytes left out)");
  EXPECT_EQ(bounded(cut, 100), cut);
}

TEST(BoundedText, IsCutAtACharacter) {
  std::string text = "x";  // so that the limit falls into a character of three bytes
  for (int i = 0; i < 100; ++i) text += "\u20ac";
  EXPECT_EQ(utf8_prefix(text, 3), "x");
  EXPECT_EQ(utf8_prefix(text, 4), "x\u20ac");
  EXPECT_EQ(bounded(text, 64), text.substr(0, 22) + "... (279 bytes left out)");
}

TEST(BoundedText, EveryTextOfAWorkerIsBounded) {
  espalier::v1::Failure failure;
  for (auto* text : {failure.mutable_reason(), failure.mutable_message(), failure.mutable_phase()})
    text->assign(1 << 20, 'a');
  bound_texts(failure);
  EXPECT_LT(failure.ByteSizeLong(), 5000u);
  espalier::v1::Progress progress;
  for (auto* text : {progress.mutable_message(), progress.mutable_phase()})
    text->assign(1 << 20, 'a');
  bound_texts(progress);
  EXPECT_LT(progress.ByteSizeLong(), 5000u);
}

}  // namespace
}  // namespace espalier::server
