// Floating-point operations and parameters of a Llama model, by named formulas. Published TFLOPS
// differ by up to a third for the same speed because of the formula alone, so none goes unnamed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace swallow {

/// The sizes that the formulas need. vocab_size is the tokenizer's: padding is not useful work.
struct ModelSize {
  int64_t num_layers = 0;           // L
  int64_t hidden_size = 0;          // h
  int64_t ffn_hidden_size = 0;      // f
  int64_t num_attention_heads = 0;  // n
  int64_t kv_heads = 0;             // k
  int64_t head_dim = 0;             // d
  int64_t vocab_size = 0;           // v
  int64_t seq_length = 0;           // s
};

enum class FlopFormula : uint8_t {
  causal,          ///< every matrix product, attention halved: Megatron-LM since 2025, llm.c, llmq
  full_attention,  ///< the same with attention counted whole: PaLM, NeMo 24, Megatron-LM <= 2024
  fork_a,  ///< Megatron-Llama2's printer during the Swallow runs: 2021 formula, full recompute
  fork_c,  ///< the same printer from 13 December 2023 on: SwiGLU width, selective recompute
};

inline constexpr std::array kFlopFormulas{FlopFormula::causal, FlopFormula::full_attention,
                                          FlopFormula::fork_a, FlopFormula::fork_c};
std::string_view name_of(FlopFormula formula);

/// Operations that one trained token is charged, forward and backward. The first two count no
/// recompute; the fork's two count the recompute its scripts asked for, done or not.
double flops_per_token(FlopFormula formula, const ModelSize& size);

/// Trainable parameters: embedding, head, and per layer the matrices and two norms; final norm.
int64_t parameter_count(const ModelSize& size);

}  // namespace swallow
