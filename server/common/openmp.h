#pragma once

namespace espalier::server {

// OpenMP and MKL read their environment when they are loaded, which is before main: starts the
// program over with it where it differs. `threads`: OMP_NUM_THREADS, 0 leaves it as it is.
//
// Threads that wait for each other spin for a moment only. As libgomp comes they spin for most of a
// time slice, and any other load on the machine makes training several times slower. Whoever sets
// GOMP_SPINCOUNT or OMP_WAIT_POLICY has the say.
void set_openmp_environment(int threads, char** argv);

}  // namespace espalier::server
