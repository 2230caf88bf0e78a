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

/// A whole run of it: two layers, six steps without warm-up, one batch in an evaluation.
RunConfig short_run(const std::string& save);

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

/// Fails unless losses, norms and final parameters are equal to the last bit.
void require_same_bits(const TinyRun& got, const TinyRun& want);

/// fp32 sums over 64 to 256 terms in another order differ by some 1e-7 relative. Adam divides by
/// the gradient's own size, which turns a relative difference of a tiny gradient into one of the
/// step: after a few steps of lr 1e-2 losses differ by up to some 1e-6. The bound leaves a factor
/// of ten.
void require_close_losses(const TinyRun& got, const TinyRun& want, double bound);

/// Largest over the tensors, which must have the same names and sizes, of |got - want| / |want|,
/// Euclidean.
double worst_difference(const CanonicalTensors& got, const CanonicalTensors& want);

}  // namespace swallow
