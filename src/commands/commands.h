// From the command line to a command.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"

namespace swallow {

/// `arguments` without the program's name; `argv` as main got it, for starting copies of it.
/// `world` is filled by commands that join a job.
int run_command(const std::vector<std::string>& arguments, char** argv,
                std::unique_ptr<World>& world);

}  // namespace swallow
