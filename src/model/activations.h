// The memory of a stage beside parameters: what each micro-batch keeps for its backward pass, and
// the scratch that all share. Taken from an arena once; with a planning arena this is the memory
// ledger.
#pragma once

#include <array>
#include <vector>

#include "model/shapes.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace swallow {

/// What a block keeps between forward and backward. Under `selective` recompute the normalised
/// inputs and the SwiGLU product are scratch shared by all blocks; under `full` everything but x1
/// is.
struct BlockActivations {
  Tensor x1;       // [s/t, b, h] residual stream into the attention half
  Tensor rstd1;    // [s/t * b] main type
  Tensor n1;       // [s/t, b, h] normalised x1
  Tensor qkv;      // [s, b, (n + 2k) d / t] after RoPE
  Tensor attn;     // [s, b, n d / t]
  Tensor stats;    // [b, n/t, s] main type, logsumexp of the scores
  Tensor x2;       // [s/t, b, h] residual stream into the MLP half
  Tensor rstd2;    // [s/t * b] main type
  Tensor n2;       // [s/t, b, h]
  Tensor gate_up;  // [s, b, 2 f/t]
  Tensor act;      // [s, b, f/t] silu(gate) * up
};

/// One micro-batch in flight. The first block's x1 is `input` itself.
struct SlotMemory {
  Tensor tokens;   // [s, b] i32, first stage
  Tensor targets;  // [s, b] i32, last stage
  Tensor input;    // [s/t, b, h] from the embedding or the previous stage
  Tensor final_x;  // [s/t, b, h] into the final norm, last stage
  std::vector<BlockActivations> blocks;
};

/// Scratch that lives within one forward or backward call.
struct Workspace {
  Tensor gathered, partial;           // [s, b, h], with sequence parallelism
  Tensor delta;                       // [s/t, b, h] output of a half block, not yet added
  Tensor dnorm;                       // [s/t, b, h] gradient of a normalised input
  Tensor dqkv;                        // [s, b, (n + 2k) d / t]
  Tensor dattn;                       // [s, b, n d / t]
  Tensor dact;                        // [s, b, f/t]
  Tensor dgate_up;                    // [s, b, 2 f/t]
  Tensor attention, gemm, norm;       // [bytes] u8
  Tensor final_n, final_rstd;         // [s/t, b, h], [s/t * b], last stage
  Tensor logits;                      // [rows, v/t], last stage: as many tokens as exist at once
  Tensor maxima, local_maxima, sums;  // [rows], [rows], [2, rows] main type, last stage
};

struct StageMemory {
  Tensor rope;  // [s, d] f32
  std::vector<SlotMemory> slots;
  Workspace work;
  // Micro-batch i uses buffer i % 2, so that one may be on its way while the next is computed.
  std::array<Tensor, 2> outputs;    // [s/t, b, h] to the next stage
  std::array<Tensor, 2> gradients;  // [s/t, b, h] from the next stage; becomes that to the previous
  Tensor loss;                      // [1] f64 sum over tokens, last stage
};

/// `num_slots`: micro-batches in flight at once.
StageMemory take_stage_memory(const ModelShapes& shapes, int num_slots, int num_threads,
                              Arena& arena);

}  // namespace swallow
