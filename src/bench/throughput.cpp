#include "bench/throughput.h"

#include <string_view>

namespace swallow {

namespace {

struct KnownPeak {
  std::string_view name;
  double tflops;
};

// The first whose name is part of the device's: cards with a lower power limit come first.
constexpr KnownPeak kPeaks[] = {
    {"H100 PCIe", 756}, {"H100 NVL", 835}, {"H200 NVL", 835}, {"H100", 989.4},
    {"H200", 989.4},    {"H800", 989.4},   {"A100", 312},     {"A800", 312},
};

}  // namespace

Throughput throughput(const ModelSize& size, double tokens, double seconds, double ranks,
                      double peak_tflops) {
  Throughput result;
  result.peak_tflops = peak_tflops;
  if (seconds <= 0) return result;
  result.tokens_per_second_all = tokens / seconds;
  result.tokens_per_second = result.tokens_per_second_all / ranks;
  for (size_t i = 0; i < kFlopFormulas.size(); ++i)
    result.tflops[i] = result.tokens_per_second * flops_per_token(kFlopFormulas[i], size) / 1e12;
  return result;
}

double known_peak_tflops(const std::string& device_name) {
  for (const KnownPeak& known : kPeaks)
    if (device_name.find(known.name) != std::string::npos) return known.tflops;
  return 0;
}

}  // namespace swallow
