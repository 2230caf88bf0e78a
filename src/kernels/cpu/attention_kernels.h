// What wide_attention.cpp needs of an instruction set: whole tasks of a few tiles, since softmax is
// as wide as the products are. See panel_kernels.h on what the implementing files may include.
#pragma once

#include <cstdint>

namespace swallow::cpu {

/// Tokens of a tile of queries or keys; the last tile is padded with zeros.
inline constexpr int64_t kWideTile = 64;

/// The most tiles that a task takes. They follow each other and share what is packed of the others;
/// how many there are changes no bits.
inline constexpr int64_t kTaskTiles = 8;

/// Token i of a head lies at data + i * stride elements, `head_dim` elements long.
struct TokenRows {
  void* data;
  int64_t stride;
};

struct WideForwardTask {
  TokenRows q, k, v, out;
  float* stats;  // [s] out, for the tiles
  int64_t head_dim, sequence, first, tiles;
  float scale;
  void* scratch;
};

/// dq of tiles of queries, and their delta.
struct WideBackwardQueriesTask {
  TokenRows q, k, v, out, dout, dq;
  const float* stats;  // [s]
  float* delta;        // [s] out, for the tiles
  int64_t head_dim, sequence, first, tiles;
  float scale;
  void* scratch;
};

/// dk and dv of tiles of keys. The `group` query heads follow each other: in q and dout
/// `head_dim` elements apart, in stats and delta `sequence`.
struct WideBackwardKeysTask {
  TokenRows q, k, v, dout, dk, dv;
  const float* stats;
  const float* delta;
  int64_t group, head_dim, sequence, first, tiles;
  float scale;
  void* scratch;
};

struct AttentionKernels {
  int64_t (*scratch_bytes)(int64_t head_dim);
  void (*forward)(const WideForwardTask& task);
  void (*backward_queries)(const WideBackwardQueriesTask& task);
  void (*backward_keys)(const WideBackwardKeysTask& task);
};

#if defined(__x86_64__)
extern const AttentionKernels kAvx512F32Attention;
extern const AttentionKernels kAvx512WidenedAttention;  // bf16 operands, f32 arithmetic
extern const AttentionKernels kAvx512Bf16Attention;
extern const AttentionKernels kAmxAttention;
#endif

}  // namespace swallow::cpu
