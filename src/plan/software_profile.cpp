#include "plan/software_profile.h"

#include <algorithm>

#include "base/check.h"
#include "config/value_text.h"

namespace swallow {

namespace {

// Fused passes of ours, as counted in bench/op_cases.cpp: residual + norm reads 2 and writes 2,
// twice a layer; RoPE in place; SwiGLU reads 2, writes 1, backward reads 3, writes 2; the loss
// reads the logits, then reads and overwrites them; AdamW moves 30 bytes, the norm reads the shard.
// The weight's gradient is added to in fp32: 8 bytes, of which the product hides all but 40 %. The
// first micro-batch overwrites gradients, so that nothing zeroes them.
constexpr PassBytes kFused{.norm_forward = 16,
                           .norm_backward = 16,
                           .rope_forward = 4,
                           .rope_backward = 4,
                           .activation_forward = 6,
                           .activation_backward = 10,
                           .logits = 6,
                           .weight_gradient = 3.2,
                           .optimizer = 30,
                           .gradient_norm = 4};

/// On a CPU the time to add to a weight's gradient is in that of its product.
constexpr PassBytes on_cpu(PassBytes bytes) {
  bytes.weight_gradient = 0;
  return bytes;
}

// GPT of Megatron-LM with its fused kernels: LayerNorm 4 + 4, bias + dropout + residual 7 + 7;
// backward 10 + 10, 5 + 5, gradients of the residual 12, of biases 4. GELU reads and writes f,
// backward reads 2, writes 1, and the bias' gradient reads once more. Softmax 4 and dropout 5 bytes
// a score; backward 6 and 5. Logits in fp32.
constexpr PassBytes kMegatronGpt{.norm_forward = 22,
                                 .norm_backward = 46,
                                 .rope_forward = 4,
                                 .rope_backward = 8,
                                 .activation_forward = 4,
                                 .activation_backward = 8,
                                 .scores_forward = 9,
                                 .scores_backward = 11,
                                 .logits = 30,
                                 .weight_gradient = 3.2,
                                 .optimizer = 60,
                                 .gradients = 12};

// Llama out of single PyTorch ops. RMSNorm in fp32 and residuals: 310 bytes more than with a fused
// norm, as the runs of arXiv 2311.05610 with and without one differ (3.0 ms a layer of 65B). RoPE
// by slices 18 and copies 4; SiLU and product 10, backward 24.
constexpr PassBytes kEagerLlama{.norm_forward = 120,
                                .norm_backward = 240,
                                .rope_forward = 22,
                                .rope_backward = 22,
                                .activation_forward = 10,
                                .activation_backward = 24,
                                .logits = 30,
                                .weight_gradient = 3.2,
                                .optimizer = 34,
                                .gradients = 8};

/// With a fused RMSNorm: what sequence parallelism saved those runs (1.1 ms a layer of 65B, TP 8).
constexpr PassBytes with_fused_norms(PassBytes bytes) {
  bytes.norm_forward = 46;
  bytes.norm_backward = 80;
  return bytes;
}

// Transformer Engine's GPT without dropout and biases.
constexpr PassBytes kTransformerEngine{.norm_forward = 20,
                                       .norm_backward = 32,
                                       .rope_forward = 8,
                                       .rope_backward = 8,
                                       .activation_forward = 4,
                                       .activation_backward = 6,
                                       .logits = 16,
                                       .weight_gradient = 3.2,
                                       .optimizer = 34,
                                       .gradients = 8};

}  // namespace

const std::vector<SoftwareProfile>& software_profiles() {
  static const std::vector<SoftwareProfile> table{
      {.name = "swallow-train",
       .description =
           "this program; factors assumed before, and met within 1 % by, its steps on one H200",
       .fitted = false,
       .gemm_efficiency = 0.92,
       .host_us_per_layer = 20,
       .recompute = RecomputeStyle::swallow,
       .bytes = kFused,
       .sending = Sending::overlapped},
      {.name = "swallow-train-cpu",
       .description = "this program on a hardware profile calibrated by its own records",
       .fitted = false,
       .recompute = RecomputeStyle::swallow,
       .bytes = on_cpu(kFused),
       .overlaps_gradients = false,
       .overlaps_params = false},
      {.name = "megatron-2021",
       .description = "Megatron-LM of arXiv 2104.04473: fp16, full recompute, plain Adam",
       .gemm_efficiency = 0.86,
       .attention = AttentionKernel::scores,
       .recompute = RecomputeStyle::megatron,
       .bytes = kMegatronGpt,
       .scatters_transfers = true,
       .gradient_bytes = 2,
       .overlaps_gradients = false,
       .overlaps_params = false},
      {.name = "megatron-2022",
       .description = "Megatron-LM of arXiv 2205.05198: sequence parallelism, selective recompute",
       .gemm_efficiency = 0.95,
       .host_us_per_layer = 350,
       .attention = AttentionKernel::scores,
       .recompute = RecomputeStyle::megatron,
       .bytes = kMegatronGpt,
       .hides_tp_backward = true,
       .scatters_transfers = true,
       .overlaps_gradients = false,
       .overlaps_params = false},
      {.name = "fork-2023",
       .description = "Megatron-Llama2 of the Swallow runs; factors of aleph-alpha-2023, much the "
                      "same program",
       .fitted = false,
       .gemm_efficiency = 0.88,
       .host_us_per_layer = 500,
       .recompute = RecomputeStyle::megatron,
       .bytes = kEagerLlama,
       .hides_tp_backward = true,
       .overlaps_gradients = false,
       .overlaps_params = false},
      {.name = "aleph-alpha-2023",
       .description = "arXiv 2311.05610: FlashAttention-2 and a fused RMSNorm, other ops eager",
       .gemm_efficiency = 0.88,
       .host_us_per_layer = 500,
       .recompute = RecomputeStyle::megatron,
       .bytes = with_fused_norms(kEagerLlama),
       .overlaps_gradients = false,
       .overlaps_params = false},
      {.name = "nemo-2024",
       .description = "NeMo 24.09 to 24.12 with Transformer Engine on H100",
       .gemm_efficiency = 0.82,
       .host_us_per_layer = 100,
       .recompute = RecomputeStyle::megatron,
       .bytes = kTransformerEngine,
       .hides_tp_backward = true,
       .tp_overlap = 0.6,
       .pp_overlap = 0.8},
  };
  return table;
}

const SoftwareProfile& software_profile(std::string_view name) {
  for (const SoftwareProfile& profile : software_profiles())
    if (profile.name == name) return profile;
  std::vector<std::string_view> names;
  for (const SoftwareProfile& profile : software_profiles()) names.push_back(profile.name);
  throw ConfigError("software {}: expected one of {}", printable(name), fmt::join(names, "|"));
}

}  // namespace swallow
