// Plays the schedules of all stages against each other without tensors: proves that they do not
// deadlock, that each micro-batch passes every stage once and in order, and counts activations in
// flight; and gives the step's course for given times of each stage's forward and backward and of
// each boundary's transfers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/schedule.h"

namespace swallow {

/// Whether a stage computes on while what it has sent is on its way.
enum class Sending : uint8_t {
  overlapped,  // on a stream of its own: a GPU's executor
  blocking,    // the executor on a CPU, where an exchange returns when it is done
};

/// Times in any one unit; an empty list stands for zeros.
struct SimulationCosts {
  std::vector<double> forward;   // [stages] of one micro-batch
  std::vector<double> backward;  // [stages] likewise
  std::vector<double> transfer;  // [stages - 1] of one message to or from the next stage
  Sending sending = Sending::overlapped;

  /// The same on every stage.
  static SimulationCosts uniform(int num_stages, double forward, double backward,
                                 double transfer = 0);
};

/// What a stage computes from `begin` to `end`.
struct PipelineSpan {
  int stage = 0;
  Step::Kind kind = Step::Kind::forward;
  int64_t microbatch = 0;
  double begin = 0;
  double end = 0;
};

struct SimulationResult {
  std::string error;                // empty: the schedule is sound
  double time = 0;                  // when the last stage is done, in the costs' unit
  std::vector<int> peak_in_flight;  // per stage: forwards without their backward
  std::vector<double> busy;         // per stage: time spent computing
  std::vector<PipelineSpan> spans;  // of all stages; those of one stage are in order of time

  /// The share of the stages' time in which they wait: 1 - sum(busy) / (stages * time).
  [[nodiscard]] double bubble() const;
};

/// Whatever the costs, an exchange completes when each of its messages is met by an exchange of the
/// peer that is posted at the same time (a rendezvous: the strictest reading of send and receive);
/// a schedule that needs more than that is in error. Times are those of PipelineExecutor: an
/// exchange begins when the stage has computed what stands before it and its last exchange is done.
/// Each of its messages goes when both sides have begun, both directions at once, and all complete
/// together. A stage waits for an exchange in which it receives; with overlapped sending not for
/// others, until it writes again into one of the two buffers that it sends from.
SimulationResult simulate(const std::vector<Schedule>& stages, const SimulationCosts& costs);

}  // namespace swallow
