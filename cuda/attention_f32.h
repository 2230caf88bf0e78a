// Attention in fp32 by kernels of our own: for checks and small runs, where tensor cores would
// round what is to be compared.
#pragma once

#include <cuda_runtime.h>

#include "kernels/attention.h"

namespace swallow::cuda {

void attention_f32_forward(cudaStream_t queue, const AttentionForward& op);
void attention_f32_backward(cudaStream_t queue, const AttentionBackward& op);

}  // namespace swallow::cuda
