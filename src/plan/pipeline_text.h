// The course of a training step through the pipeline as a picture of characters.
#pragma once

#include <string>

#include "pipeline/simulator.h"

namespace swallow {

/// A line for each stage, time from left to right in at most `columns` columns, with the number of
/// the micro-batch where a computation is wide enough; below them what the shades mean and the
/// share of the time in which stages wait, from the spans. Where a step is much longer than the
/// filling and the draining of the pipeline, the middle is left out.
std::string pipeline_text(const SimulationResult& result, int columns = 100);

}  // namespace swallow
