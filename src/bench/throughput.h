// From a time to the figures that are compared: tokens per second, TFLOPS by each named formula,
// and the share of a peak.
#pragma once

#include <array>
#include <string>

#include "telemetry/flops.h"

namespace swallow {

/// Of one rank, unless the name says otherwise.
struct Throughput {
  double tokens_per_second_all = 0;  // of the whole job
  double tokens_per_second = 0;
  std::array<double, kFlopFormulas.size()> tflops{};  // in the order of kFlopFormulas
  double peak_tflops = 0;                             // 0: not known
  [[nodiscard]] double tflops_causal() const noexcept { return tflops[0]; }
  /// By the causal and the full-attention formula; 0 when the peak is not known.
  [[nodiscard]] double mfu_causal() const noexcept { return share(tflops[0]); }
  [[nodiscard]] double mfu_full() const noexcept { return share(tflops[1]); }

 private:
  [[nodiscard]] double share(double value) const noexcept {
    return peak_tflops > 0 ? value / peak_tflops : 0;
  }
};

/// `tokens` pass through what `size` describes in `seconds` on `ranks` ranks together.
[[nodiscard]] Throughput throughput(const ModelSize& size, double tokens, double seconds,
                                    double ranks, double peak_tflops);

/// Dense bf16 peak by the vendor's data sheet of a GPU with this name, e.g. 312 for an A100; 0 for
/// one that is not in the table.
[[nodiscard]] double known_peak_tflops(const std::string& device_name);

}  // namespace swallow
