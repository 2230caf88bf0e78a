// `swallow-train inspect`: what is in a dataset or a saved model, and whether all of it is sound.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace swallow {

struct InspectOptions {
  std::string path;
  std::string documents;  // A:B, or empty
  int64_t vocab_size = 0;
  bool verify = false;
  bool json = false;
};

/// Parses the arguments after the word `inspect` and prints to `out` what was asked for, nothing
/// when a check fails. Returns the exit status; ConfigError for a wrong argument, DataError or
/// CheckpointError for what is wrong in the files.
int run_inspect(std::vector<std::string> args, std::ostream& out);

}  // namespace swallow
