// The command line: which command, which settings, and where each came from. Built-in values are
// overridden by the preset, and that by flags. Nothing here prints, exits or starts anything.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.h"

namespace swallow {

enum class OriginKind : uint8_t { built_in, preset, command_line };

/// Where a value comes from.
struct Origin {
  OriginKind kind = OriginKind::built_in;
  std::string preset;  ///< its name, when the kind is preset
};
std::string text_of(const Origin& origin);

/// What the user asks for beside running the command.
enum class Request : uint8_t { run, print_config, help, help_markdown, version };

struct ParsedCommandLine {
  std::string command = "train";
  std::vector<std::string> rest;  ///< arguments of a command without training flags, not looked at
  std::map<std::string, std::string> own;  ///< the command's own flags that were given; name, value
  Request request = Request::run;
  RunConfig config;
  std::map<std::string, Origin> origins;  ///< by JSON key, one for every option
  int nproc = 0;                          ///< --nproc: start this many local ranks; 0: do not
  std::string rendezvous;                 ///< --rendezvous host:port, or empty
  bool use_checkpoint_args = false;       ///< take sizes that no flag gives from the checkpoint
  std::vector<std::string> notices;       ///< lines that the user should see once
};

/// A flag that one command takes beside those of training.
struct CommandFlag {
  std::string_view name;   ///< without dashes
  std::string_view value;  ///< what stands for its value in the help; empty: a switch
  std::string_view help;
};

struct Command {
  std::string_view name;
  std::string_view help;
  bool training_flags = false;  ///< takes every flag of training
  std::span<const CommandFlag> flags{};
};
/// The commands that may stand first on the command line.
std::span<const Command> commands();
/// Throws ConfigError with the nearest name when there is no such command.
const Command& find_command(const std::string& name);

/// `arguments` without the program's name. Flags with no command before them belong to `train`; no
/// arguments at all ask for help. Throws ConfigError naming the flag, its value and what would be
/// accepted. Rules that span options are resolve()'s (run_shape.h), except for what only the
/// command line can tell.
ParsedCommandLine parse_command_line(const std::vector<std::string>& arguments);

/// One row of --print-config.
struct ConfigRow {
  std::string flag;
  std::string value;
  std::string origin;
};
std::vector<ConfigRow> config_rows(const ParsedCommandLine& parsed);

}  // namespace swallow
