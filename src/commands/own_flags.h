// The values of flags that one command takes beside those of training.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "config/value_text.h"

namespace swallow {

/// As ParsedCommandLine::own has them.
using OwnFlags = std::map<std::string, std::string>;

/// The value of --`name`, or `otherwise` where it is not given. Throws ConfigError.
int64_t integer_or(const OwnFlags& own, const std::string& name, int64_t otherwise, Range range);
double real_or(const OwnFlags& own, const std::string& name, double otherwise, Range range);

}  // namespace swallow
