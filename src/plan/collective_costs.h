// Time of the collectives of a training step, as rings that move (r - 1) / r of the data past every
// rank (Patarasuk and Yuan, 2009), and the bandwidth that each of the three groups finds.
#pragma once

#include "plan/hardware_profile.h"
#include "plan/step_case.h"

namespace swallow {

struct Link {
  double bytes_per_second = 1;  // of one rank, each direction
  double latency_seconds = 0;   // of one collective or message
};

/// Axis order of the grid: tensor-parallel ranks are neighbours, then data-, then
/// pipeline-parallel ones (launch/process_grid.h).
Link tensor_link(const HardwareProfile& hardware, const StepCase& step);
/// A ring crosses a node's border once each way, however many of its ranks lie in the node, so that
/// the rings leaving a node share its network.
Link data_link(const HardwareProfile& hardware, const StepCase& step);
/// Every rank of a node whose next stage is elsewhere sends at the same time.
Link pipeline_link(const HardwareProfile& hardware, const StepCase& step);

/// `bytes`: of the whole, that is of all ranks' shares together. Nothing with one rank.
double gather_seconds(const Link& link, int64_t ranks, double bytes);
double reduce_scatter_seconds(const Link& link, int64_t ranks, double bytes);
double all_reduce_seconds(const Link& link, int64_t ranks, double bytes);
double send_seconds(const Link& link, double bytes);

}  // namespace swallow
