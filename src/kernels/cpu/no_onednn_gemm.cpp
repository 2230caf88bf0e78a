// Stands in for oneDNN in builds without it: declines every product.
#include "kernels/cpu/onednn_gemm.h"

namespace swallow::cpu {

bool onednn_gemm(Stream& /*stream*/, const Gemm& /*op*/) {
  return false;
}

}  // namespace swallow::cpu
