#pragma once

#include <future>
#include <utility>

namespace espalier::server {

// OpenMP and MKL read their environment when they are loaded, which is before main: starts the
// program over with it where it differs. `threads`: OMP_NUM_THREADS, 0 leaves it as it is.
//
// Threads that wait for each other spin for a moment only. As libgomp comes they spin for most of a
// time slice, and any other load on the machine makes training several times slower. Whoever sets
// GOMP_SPINCOUNT or OMP_WAIT_POLICY has the say.
void set_openmp_environment(int threads, char** argv);

// run() on a thread of its own, which is gone when this returns, and the OpenMP threads that it
// started with it. Those of a thread that stays are counted as if they computed; where that makes
// more of them than processors, libgomp has threads sleep between two parallel loops that would
// wait awake: 25 us a loop instead of 8 on two cores, of which a row's answer takes thirty.
template <class Run>
auto run_apart(Run&& run) {
  return std::async(std::launch::async, std::forward<Run>(run)).get();
}

}  // namespace espalier::server
