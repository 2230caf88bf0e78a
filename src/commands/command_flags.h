// The flags of a command that takes none of training's.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace swallow {

/// Parses `args` into what the options of `app`, named "swallow-train COMMAND", write to. False
/// when help was asked for, which then is in `out`. Throws ConfigError naming the command.
[[nodiscard]] bool parse_flags(CLI::App& app, std::vector<std::string> args, std::ostream& out);

}  // namespace swallow
