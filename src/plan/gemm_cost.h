// Time of one matrix product on one rank.
#pragma once

#include "plan/hardware_profile.h"

namespace swallow {

struct GemmCall {
  GemmShape shape;
  int64_t batch = 1;         // independent products in one call
  double element_bytes = 2;  // of a, b and, unless added to, c
};

/// The measured time where the profile has one. Otherwise that of the best of the profile's tiles:
/// the result is cut into tiles, which the multiprocessors take in waves; a wave that is not full
/// takes as long as a full one, and a tile's start and end cost as much as `gemm_ramp` elements of
/// k. Never less than the time to move the matrices; on top comes what the profile says of operand
/// and result.
double gemm_seconds(const HardwareProfile& hardware, const GemmCall& call);

/// 2 m n k for each product.
double gemm_flops(const GemmCall& call);

/// Of the second operand.
double gemm_operand_bytes(const GemmCall& call);
/// That are written of the result; what is added to is in fp32.
double gemm_result_bytes(const GemmCall& call);

}  // namespace swallow
