// What is in a saved model, and whether all of it is sound.
#pragma once

#include <iosfwd>

#include "commands/inspect.h"

namespace swallow {

/// Prints what `options` ask for, nothing when a check fails. Throws CheckpointError naming every
/// damaged range.
void inspect_model(const InspectOptions& options, std::ostream& out);

}  // namespace swallow
