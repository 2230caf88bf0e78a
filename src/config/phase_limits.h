// How long a phase of a run may last before the watchdog takes it for a hang. Far above what is
// seen in practice: a false alarm costs a job, a late one some minutes.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace swallow {

enum class Phase : uint8_t { setup, first_step, step, evaluation, save };

constexpr size_t kNumPhases = 5;

/// "first-step"
std::string_view name_of(Phase phase);

class PhaseLimits {
 public:
  /// The limit of a phase; zero: none.
  [[nodiscard]] std::chrono::milliseconds of(Phase phase) const {
    return limits_[static_cast<size_t>(phase)];
  }
  void set(Phase phase, std::chrono::milliseconds limit) {
    limits_[static_cast<size_t>(phase)] = limit;
  }

 private:
  using Minutes = std::chrono::minutes;
  std::array<std::chrono::milliseconds, kNumPhases> limits_{Minutes(60), Minutes(60), Minutes(30),
                                                            Minutes(120), Minutes(60)};
};

/// The usual limits with those changed that --phase-timeouts names: "setup=90,step=10" [minutes].
/// Throws ConfigError.
PhaseLimits parse_phase_limits(std::string_view text);

}  // namespace swallow
