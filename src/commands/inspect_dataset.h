// What is in a Megatron dataset, and whether all of it is sound.
#pragma once

#include <iosfwd>

#include "commands/inspect.h"

namespace swallow {

/// Prints what `options` ask for, nothing when a check fails. Throws DataError for the first thing
/// wrong in the files.
void inspect_dataset(const InspectOptions& options, std::ostream& out);

}  // namespace swallow
