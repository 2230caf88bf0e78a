// The number of the calling OpenMP thread: an index of per-thread scratch.
#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace swallow::cpu {

/// 0 .. num_threads - 1 inside a parallel region; 0 outside of one and without OpenMP.
inline int64_t worker() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

}  // namespace swallow::cpu
