#include "commands/command_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "base/check.h"
#include "config/value_text.h"

namespace swallow {

bool parse_flags(CLI::App& app, std::vector<std::string> args, std::ostream& out) {
  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes a vector from its back
    app.parse(args);
    return true;
  } catch (const CLI::CallForHelp&) {
    out << app.help();
    return false;
  } catch (const CLI::ParseError& error) {
    const std::string name = app.get_name();
    throw ConfigError("{}: {}; see {} --help", name.substr(name.rfind(' ') + 1),
                      printable(error.what()), name);
  }
}

}  // namespace swallow
