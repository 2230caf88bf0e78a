// Attention by the kernels of this machine's instruction sets.
#pragma once

#include "kernels/attention.h"

namespace swallow::cpu {

/// Computes `op`, whose arguments have been checked, and returns true; or returns false, having
/// done nothing, where the stream's level has no kernels for its type. Bits depend on the level and
/// the sizes alone.
[[nodiscard]] bool wide_attention(Stream& stream, const AttentionForward& op);
[[nodiscard]] bool wide_attention(Stream& stream, const AttentionBackward& op);

/// The most that one thread needs at any level.
int64_t wide_attention_scratch_bytes(const AttentionShape& shape, DType dtype);

}  // namespace swallow::cpu
