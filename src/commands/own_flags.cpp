#include "commands/own_flags.h"

namespace swallow {

int64_t integer_or(const OwnFlags& own, const std::string& name, int64_t otherwise, Range range) {
  const auto found = own.find(name);
  return found == own.end() ? otherwise
                            : parse_integer(fmt::format("--{} ", name), found->second, range);
}

double real_or(const OwnFlags& own, const std::string& name, double otherwise, Range range) {
  const auto found = own.find(name);
  return found == own.end() ? otherwise
                            : parse_real(fmt::format("--{} ", name), found->second, range);
}

}  // namespace swallow
