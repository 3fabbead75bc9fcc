// Which teacher layer teaches which student layer: functions of the two depths alone. Layers are
// counted from 0. Where one depth does not divide the other, places are rounded to the nearest
// layer, halves upwards.
#pragma once

#include <vector>

namespace espalier {

// TinyBERT's g (Jiao et al. 2020, arXiv 1909.10351), which counts states: 0 is what the embeddings
// give, l the output of the l-th layer. g(l) = l * teacher / student, g(0) = 0; layers are never
// taught by the embeddings, however shallow the teacher.
int uniform_state(int state, int student, int teacher);
// The same by layer, [student]: the last one is taught by the last one, and where the depths agree
// each by the same one.
std::vector<int> uniform_layers(int student, int teacher);

// PKD (Sun et al. 2019, arXiv 1908.09355) teaches the student's layers but its last, [student - 1].
// Skip takes every M/k-th layer of the teacher: 1 3 5 7 9 for 6 layers of 12, which is the uniform
// map without its end, and that is what we take for other depths. Last takes the student - 1 layers
// below the teacher's top: 6 7 8 9 10 there; where the teacher has fewer, its first one serves all
// that are missing.
std::vector<int> pkd_skip_layers(int student, int teacher);
std::vector<int> pkd_last_layers(int student, int teacher);

// Teacher layers that CoFi's layer matching uses (Xia et al. 2022, arXiv 2204.00408): 2 5 8 11 of
// 12. Of any depth M the ones at the rounded q M/4, q = 1 .. 4: 1 2 4 5 of 6; all where M <= 4.
std::vector<int> spaced_layers(int layers);

}  // namespace espalier
