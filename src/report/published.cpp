#include "report/published.h"

#include <array>

namespace swallow {

std::span<const PublishedPoint> published_points() {
  constexpr std::string_view kFork = "Megatron-Llama2's printer: counts recompute, ignores GQA";
  constexpr std::string_view kFull = "attention counted whole, no recompute";
  constexpr std::string_view kSwallow = "Swallow's paper, TP 2 x PP 2, 2 x 4 and 8 x 8";
  constexpr std::string_view kMosaic = "mosaicml/llm-foundry, scripts/train/benchmarking";
  constexpr std::string_view kIntern = "InternLM, doc/en/train_performance";
  constexpr std::string_view kTitan = "pytorch/torchtitan, docs/performance, 2024";
  constexpr std::string_view kTitanH100 = "pytorch/torchtitan, benchmarks, December 2024";
  constexpr std::string_view kTitanH200 = "pytorch/torchtitan, benchmarks, June 2025";
  constexpr std::string_view kLlmq = "IST-DASLab/llmq, benchmarks";
  constexpr std::string_view kRecipes = "NVIDIA/dgxc-benchmarking, llama3.1";
  constexpr std::string_view kNemo = "NeMo user guide 24.12, performance summary";
  static constexpr std::array<PublishedPoint, 20> kPoints{{
      {"a", "Swallow", "Llama 2 7B, 4k", "A100-40", 64, 0, 134, kFork, kSwallow},
      {"b", "Swallow", "Llama 2 13B, 4k", "A100-40", 64, 0, 143, kFork, kSwallow},
      {"c", "Swallow", "Llama 2 70B, 4k", "A100-40", 256, 0, 158, kFork, kSwallow},
      {"d", "MosaicML", "MPT-7B, 2k", "A100-80", 8, 4641, 0, "", kMosaic},
      {"e", "MosaicML", "MPT-7B, 4k", "A100-40", 8, 3366, 0, "", kMosaic},
      {"f", "MosaicML", "MPT-13B, 4k", "A100-40", 8, 1603, 0, "", kMosaic},
      {"g", "MosaicML", "MPT-70B, 2k", "A100-40", 128, 376, 0, "", kMosaic},
      {"h", "InternLM", "7B, 2k", "A100-80", 8, 4078, 193, "its own", kIntern},
      {"i", "InternLM", "7B, 2k", "A100-80", 1024, 3625, 184, "its own", kIntern},
      {"j", "torchtitan", "Llama 3 8B, 8k", "A100-80", 64, 2973, 0, "", kTitan},
      {"k", "torchtitan", "Llama 3 70B, 8k", "A100-80", 64, 331, 0, "", kTitan},
      {"l", "LLMQ", "Qwen2.5-7B, 1k", "H100", 1, 13863, 0, "", kLlmq},
      {"m", "NVIDIA recipe", "Llama 3.1 8B, 8k", "H100", 8, 10153, 0, "", kRecipes},
      {"n", "NVIDIA recipe", "Llama 3.1 70B, 8k", "H100", 64, 1113, 0, "", kRecipes},
      {"o", "MosaicML", "MPT-7B, 2k", "H100", 8, 10643, 0, "", kMosaic},
      {"p", "torchtitan", "Llama 3.1 8B, 8k", "H100", 8, 6667, 0, "", kTitanH100},
      {"q", "torchtitan", "Llama 3.1 8B, 8k, fp8", "H200", 32, 10938, 0, "", kTitanH200},
      {"r", "NeMo", "Llama 2 7B, 4k, fp8", "H100", 8, 16934, 780, kFull, kNemo},
      {"s", "NeMo", "Llama 2 13B, 4k, fp8", "H100", 16, 8715, 760, kFull, kNemo},
      {"t", "NeMo", "Llama 2 70B, 4k, fp8", "H100", 64, 1728, 768, kFull, kNemo},
  }};
  return kPoints;
}

}  // namespace swallow
