// Where rank 0 can be reached, by the first rule that applies. Called by resolve_environment only.
#pragma once

#include <string_view>

#include "launch/environment.h"
#include "launch/variable_reader.h"

namespace swallow {

/// Fills rendezvous_host, other_hosts and rendezvous_port; rank, size, local size, source and
/// run_id must be there already. `flag` is the value of --rendezvous, or empty.
void resolve_rendezvous_address(VariableReader& reader, std::string_view flag,
                                LaunchEnvironment& environment);

}  // namespace swallow
