#include "core/distill/projection.h"

#include <gtest/gtest.h>

#include "core/distill/token_hidden.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::max_gap;
using testing::shaped_model;
using testing::tiny_model;

constexpr double kRate = 1e-3;

Tensor kept_index() { return torch::tensor({0, 2, 3, 7, 11, 15}, torch::kInt64); }

// States that are 0 where they are not kept.
Tensor gated_states() {
  Tensor states = at::zeros({5, 16});
  auto generator = at::detail::createCPUGenerator(1);
  states.index_copy_(1, kept_index(), at::empty({5, 6}).normal_(0, 1, generator));
  return states;
}

FoldMap kept_map() {
  FoldMap map;
  map.hidden = kept_index();
  return map;
}

TEST(Projection, StartsAsTheIdentityWhereWidthsAgree) {
  TokenHidden any{{}};
  Lesson lesson(any);
  Projection projection("any", Projection::Where::kAlways, kRate);
  projection.prepare(*lesson.trainer);
  EXPECT_TRUE(projection.linear().weight.equal(at::eye(16)));
  EXPECT_EQ(max_gap(projection.forward(gated_states()), gated_states()), 0);
  const std::vector<ParamGroup> groups = projection.parameters();
  ASSERT_EQ(groups.size(), 1u);
  for (const Tensor& tensor : groups[0].parameters) EXPECT_TRUE(tensor.requires_grad());
  EXPECT_EQ(groups[0].learning_rate, kRate);
}

TEST(Projection, IsDrawnBySeedWhereWidthsDiffer) {
  TokenHidden any{{}};
  Lesson lesson(any, tiny_model(), shaped_model(5, 6, 2));
  Projection one("one", Projection::Where::kWidthsDiffer, kRate), other(one);
  one.prepare(*lesson.trainer);
  other.prepare(*lesson.trainer);
  EXPECT_TRUE(one.linear().weight.equal(other.linear().weight));
  EXPECT_NEAR(one.linear().weight.square().mean().sqrt().item<double>(), 0.02, 0.005);
  EXPECT_TRUE(one.linear().bias.equal(at::zeros({24})));
  EXPECT_EQ(one.forward(gated_states()).sizes().vec(), (std::vector<int64_t>{5, 24}));
}

TEST(Projection, LeavesStatesAloneWhereItIsNotNeeded) {
  TokenHidden any{{}};
  Lesson lesson(any);
  Projection projection("any", Projection::Where::kWidthsDiffer, kRate);
  projection.prepare(*lesson.trainer);
  EXPECT_FALSE(projection.linear().defined());
  EXPECT_TRUE(projection.parameters().empty());
  State state;
  projection.save(state);
  EXPECT_TRUE(state.tensors.empty());
}

TEST(Projection, KeepsWhatItLoadedIfThatFits) {
  TokenHidden any{{}};
  Lesson same(any);
  State state;
  state.tensors["projection.weight"] = at::full({16, 16}, 0.25);
  state.tensors["projection.bias"] = at::full({16}, 0.5);
  Projection projection("any", Projection::Where::kAlways, kRate);
  projection.load(state);
  projection.prepare(*same.trainer);
  EXPECT_TRUE(projection.linear().weight.equal(at::full({16, 16}, 0.25)));
  State saved;
  projection.save(saved);
  EXPECT_TRUE(saved.tensors.at("projection.bias").equal(at::full({16}, 0.5)));
  Lesson wider(any, tiny_model(), shaped_model(3, 6, 2));
  projection.prepare(*wider.trainer);
  EXPECT_EQ(projection.linear().outputs(), 24);
}

TEST(Projection, GivesTheSameStatesAfterAFold) {
  TokenHidden any{{}};
  Lesson lesson(any, tiny_model(), shaped_model(3, 6, 2));
  Projection projection("any", Projection::Where::kAlways, kRate);
  projection.prepare(*lesson.trainer);
  torch::NoGradGuard no_grad;
  const Tensor before = projection.forward(gated_states());
  projection.folded(kept_map());
  EXPECT_EQ(projection.linear().inputs(), 6);
  const Tensor narrow = gated_states().index_select(1, kept_index());
  EXPECT_LE(max_gap(projection.forward(narrow), before), 1e-6);
}

TEST(Projection, PutsStatesThatWereNotProjectedBackInTheirPlacesAfterAFold) {
  TokenHidden any{{}};
  Lesson lesson(any);
  Projection projection("any", Projection::Where::kWidthsDiffer, kRate);
  projection.prepare(*lesson.trainer);
  projection.folded({});
  EXPECT_FALSE(projection.linear().defined()) << "no hidden dimension has left";
  projection.folded(kept_map());
  const Tensor narrow = gated_states().index_select(1, kept_index());
  EXPECT_EQ(max_gap(projection.forward(narrow), gated_states()), 0);
}

// As a job does: the state of the pruning phase goes into a new distiller of the folded model.
TEST(Projection, GoesOnInTheFoldedModel) {
  Gates gates;
  gates.hidden = at::zeros({16}).index_fill_(0, kept_index(), 1);
  const Model model = tiny_model();
  gates.seal(model.config);
  FoldMap map;
  const Model narrow = fold(model, gates, &map);
  for (const bool wide_teacher : {false, true}) {
    const Model teacher = wide_teacher ? shaped_model(4, 6, 2) : tiny_model(2);
    TokenHidden pruning{{}}, recovery{{}};
    Lesson before(pruning, model.clone(), teacher);
    const double gated = before.loss(gates);
    pruning.folded(*before.trainer, map);
    State state;
    pruning.save(state);
    recovery.load(state);
    Lesson after(recovery, narrow.clone(), teacher);
    EXPECT_NEAR(after.loss(), gated, 1e-4 * gated);
    EXPECT_EQ(recovery.parameters().size(), 1u) << "it is trained on";
  }
}

}  // namespace
}  // namespace espalier
