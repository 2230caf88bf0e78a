// Plays the schedules of all stages against each other without tensors: proves that they do not
// deadlock, that each micro-batch passes every stage once and in order, and counts activations in
// flight; and gives the step's length for given costs of forward and backward.
#pragma once

#include <string>
#include <vector>

#include "pipeline/schedule.h"

namespace swallow {

struct SimulationCosts {
  double forward = 1;   // time of one forward on one stage, any unit
  double backward = 2;  // of one backward
  double transfer = 0;  // of one exchange
};

struct SimulationResult {
  std::string error;                // empty: the schedule is sound
  double time = 0;                  // end of the last stage, in the costs' unit
  std::vector<int> peak_in_flight;  // per stage: forwards without their backward
  std::vector<double> busy;         // per stage: time spent computing
};

/// An exchange completes when each of its messages is met by an exchange of the peer that is posted
/// at the same time (a rendezvous: the strictest reading of send and receive).
SimulationResult simulate(const std::vector<Schedule>& stages, const SimulationCosts& costs);

}  // namespace swallow
