#include "gemm_tuner.h"

#include <algorithm>

#include "stream.h"

namespace swallow::cuda {

namespace {

// From idle to full load a GPU's clock first rises, then falls to what its limit of power allows;
// both settle within some tens of milliseconds. On an H200 kernels that were timed in short turns
// came out in an order of little worth: what was chosen ran up to 10 % longer than the best.
constexpr double kWarmUpMs = 50;
constexpr double kFirstTurnMs = 8;
constexpr double kTurnMs = 60;
constexpr int kRounds = 2;
constexpr size_t kFinalists = 4;
// Products so short that this many end sooner than a turn do not hold the GPU at its limit.
constexpr double kMostLaunches = 200;
// Clocks and memory make the same kernel vary by about a per cent.
constexpr double kLeastGain = 0.01;
// What a request for memory may take beside its size.
constexpr size_t kMemoryMargin = size_t{16} << 20;

struct Timing {
  size_t candidate;
  double ms;
};

/// Where products may be written that are thrown away: c itself where it is about to be overwritten
/// anyway, otherwise a buffer at the same alignment.
struct TrialOutput {
  Buffer buffer;
  void* data = nullptr;
};

std::optional<TrialOutput> make_trial_output(const Gemm& op) {
  if (op.beta == Beta::zero) return TrialOutput{{}, op.c.data};
  constexpr uintptr_t kAlignment = 256;
  const int64_t bytes = op.c.bytes() + int64_t{kAlignment};
  size_t free = 0;
  size_t total = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  if (free < static_cast<size_t>(bytes) + kMemoryMargin) return std::nullopt;
  TrialOutput output{Buffer(op.c.device, bytes), nullptr};
  output.data = output.buffer.data() + reinterpret_cast<uintptr_t>(op.c.data) % kAlignment;
  return output;
}

}  // namespace

std::optional<Fastest> find_fastest(size_t num_candidates, const TimeCandidate& time) {
  std::vector<Timing> running;
  for (size_t candidate = 0; candidate < num_candidates; ++candidate) {
    if (running.empty() && !time(candidate, kWarmUpMs)) continue;
    if (const auto ms = time(candidate, kFirstTurnMs)) running.push_back({candidate, *ms});
  }
  if (running.empty()) return std::nullopt;

  // The finalists: the baseline and the fastest of the others.
  const auto by_time = [](const Timing& a, const Timing& b) { return a.ms < b.ms; };
  std::stable_sort(running.begin() + 1, running.end(), by_time);
  running.resize(std::min(running.size(), 1 + kFinalists));
  // In turns, so that a drift of the clock meets all alike, and back again, so that each follows
  // upon another; the least of the rounds, because whatever disturbs a run only makes it longer.
  for (int round = 0; round < kRounds; ++round) {
    for (Timing& finalist : running) {
      const auto ms = time(finalist.candidate, kTurnMs);
      if (!ms) continue;
      finalist.ms = round == 0 ? *ms : std::min(finalist.ms, *ms);
    }
    std::reverse(running.begin(), running.end());
  }
  static_assert(kRounds % 2 == 0, "the baseline is in front again");

  const Timing& first = running.front();
  const Timing& best = *std::min_element(running.begin(), running.end(), by_time);
  const bool gains = best.ms < first.ms * (1 - kLeastGain);
  return Fastest{gains ? best.candidate : first.candidate, first.ms, gains ? best.ms : first.ms};
}

std::optional<Fastest> measure(Stream& stream, const Gemm& op, const LtProduct& product,
                               const std::vector<cublasLtMatmulAlgo_t>& candidates) {
  const auto output = make_trial_output(op);
  if (!output) return std::nullopt;
  cudaStream_t queue = enter(stream);
  Event start(stream.device());
  Event end(stream.device());
  const auto launch = [&](size_t candidate) {
    return product.enqueue(candidates[candidate], op, output->data, queue) == CUBLAS_STATUS_SUCCESS;
  };
  const auto ms_of = [&](size_t candidate, int launches) -> std::optional<double> {
    start.record(stream);
    for (int i = 0; i < launches; ++i)
      if (!launch(candidate)) return std::nullopt;
    end.record(stream);
    end.synchronize();
    return end.ms_since(start) / launches;
  };
  const auto time = [&](size_t candidate, double turn_ms) -> std::optional<double> {
    if (!launch(candidate)) return std::nullopt;  // also loads the kernel
    const auto once = ms_of(candidate, 1);
    if (!once) return std::nullopt;
    const double launches = std::clamp(turn_ms / std::max(*once, 1e-3), 1.0, kMostLaunches);
    return ms_of(candidate, static_cast<int>(launches));
  };
  const auto fastest = find_fastest(candidates.size(), time);
  stream.synchronize();  // a failed candidate may have left launches that use the trial output
  return fastest;
}

}  // namespace swallow::cuda
