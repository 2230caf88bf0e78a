// A small Llama trained by ranks that are threads: what the tests of parallelism compare.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "launch/process_grid.h"
#include "train/engine.h"

namespace swallow {

/// Four layers of width 64 with grouped-query attention, a vocabulary that no degree divides, eight
/// sequences a step, in fp32. Clipping is active.
RunConfig tiny_config();

/// The micro-batch loader of one data-parallel rank at one step: a fixed function of the position
/// of a sample in the run, so every grid sees the same global batches.
LoadMicrobatch tiny_loader(const RunConfig& config, const RunShape& run, int dp_rank, int64_t step);

/// Whole tensors under canonical names.
using CanonicalTensors = std::map<std::string, std::vector<double>>;

struct TinyRun {
  std::vector<StepResult> steps;  // of rank 0; all ranks are required to agree bit for bit
  double valid_loss = 0;          // after the last step
  CanonicalTensors params;        // after the last step
  CanonicalTensors gradients;     // of the last step, before clipping; needs dp = 1
};

/// Trains `num_steps` on a grid from the initial weights, then evaluates; every rank on `device`.
TinyRun run_tiny(RunConfig config, GridShape grid, int num_steps, Device device = {});

/// Adds this rank's parts of all parameters in `flat`, on the stream's device, to `whole`.
void collect_canonical(const ParamLayout& layout, const Tensor& flat, Stream& stream,
                       CanonicalTensors& whole);

}  // namespace swallow
