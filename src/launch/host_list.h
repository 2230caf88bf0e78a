// The two compact notations of Slurm's environment: host lists ("hnode[001-032,040],login") and
// tasks per node ("8(x31),7"). Pure text work; both are bounded, since a typo in a range must not
// become a million strings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// The hosts of a list, in its order, with zero padding kept ("[08-10]" gives 08, 09, 10) and
/// several bracket groups in a name multiplied out, the last varying fastest. Throws ConfigError
/// that quotes the text, on bad syntax and on more than 65536 hosts.
std::vector<std::string> expand_host_list(std::string_view text);

/// One count per node, "7,1" or "4(x2),3". Throws ConfigError as above.
std::vector<int> expand_task_counts(std::string_view text);

}  // namespace swallow
