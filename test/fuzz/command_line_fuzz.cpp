// Arguments, with a NUL after each, are refused or make a configuration that can be shown, recorded
// and resolved for some world.
#include <algorithm>
#include <string>
#include <vector>

#include "config/cli.h"
#include "config/config_json.h"
#include "config/run_shape.h"
#include "fuzz/fuzz_target.h"

using namespace swallow;

namespace {

std::vector<std::string> arguments_of(std::string_view text) {
  std::vector<std::string> arguments;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\0'), text.size());
    arguments.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return arguments;
}

/// A preset may be any file of the machine; such inputs would be no repeatable ones.
bool names_a_file(const std::string& argument) {
  return argument.find('/') != std::string::npos || argument.ends_with(".json");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<std::string> arguments = arguments_of(fuzz::text_of(data, size));
  if (std::any_of(arguments.begin(), arguments.end(), names_a_file)) return 0;
  ParsedCommandLine parsed;
  if (!fuzz::accepted([&] { parsed = parse_command_line(arguments); })) return 0;
  fuzz::require(parsed.command != "train" || parsed.request == Request::help ||
                !config_rows(parsed).empty());
  const std::string record = config_json(parsed.config);
  fuzz::require(config_json(config_from_json(record, "record")) == record);
  for (const int world : {1, 8, 256}) (void)fuzz::accepted([&] { resolve(parsed.config, world); });
  return 0;
}
