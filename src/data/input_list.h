// The files that a command line names as input.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace swallow {

/// Each pattern of glob(3) replaced by the files it matches, in the order of their bytes; the order
/// of the patterns stays. A text without `*`, `?` or `[`, or that names a file as it stands, is
/// taken as it is. DataError when a pattern matches nothing.
[[nodiscard]] std::vector<std::string> expand_inputs(std::span<const std::string> patterns);

/// Opens each file once and returns their bytes together. DataError for one that cannot be opened,
/// ConfigError when a file is there twice, be it under two names.
int64_t check_inputs(std::span<const std::string> paths);

}  // namespace swallow
