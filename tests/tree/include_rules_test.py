import unittest

from include_rules import reachable, violations


class IncludeRules(unittest.TestCase):
    def test_an_arrow_may_be_followed_and_so_may_the_arrows_behind_it(self):
        self.assertEqual(violations("core/prune/a.cpp", '#include "core/method/method.h"\n#include "core/base/files.h"'), [])

    def test_pruners_do_not_know_distillers(self):
        self.assertEqual(len(violations("core/prune/a.cpp", '#include "core/distill/soft_labels.h"')), 1)

    def test_serving_sees_how_exits_decide_but_not_how_they_train(self):
        self.assertEqual(violations("core/runtime/a.cpp", '#include "core/exit/deebert_policy.h"'), [])
        self.assertEqual(len(violations("core/runtime/a.cpp", '#include "core/exit/deebert.h"')), 1)
        self.assertNotIn("core/train", reachable("server/serving"))
        self.assertNotIn("core/data", reachable("server/serving"))

    def test_the_control_plane_reaches_nothing_that_needs_torch(self):
        self.assertEqual(reachable("server/control"),
                         {"server/control", "server/common", "core/base", "core/image", "core/spec", "core/text"})

    def test_nothing_includes_tests(self):
        self.assertEqual(len(violations("core/model/a.h", '#include "tests/testing/tiny_model.h"')), 1)

    def test_a_new_folder_needs_a_line_in_the_table(self):
        self.assertIn("no line in the table", violations("core/newcomer/a.h", "")[0])


if __name__ == "__main__":
    unittest.main()
