// Whether a dataset may be written where it is asked for, found out before any work.
#pragma once

#include <span>
#include <string>

namespace swallow {

/// What to do with a dataset of the output's name.
enum class Existing { refuse, replace };

/// ConfigError unless `<prefix>.bin` and `.idx` may be written: their folder is there, neither name
/// is taken (or `existing` says replace, and what is there is a file and none of `inputs`), and no
/// other process is writing them. What a killed run left under a temporary name is removed.
void claim_output(const std::string& prefix, Existing existing,
                  std::span<const std::string> inputs);

}  // namespace swallow
