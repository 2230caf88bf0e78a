#include "base/check.h"

#include <cstring>

namespace swallow {

void throw_contract(const char* file, int line, const char* condition, const std::string& detail) {
  const char* slash = std::strrchr(file, '/');
  throw ContractError("{} ({}:{}: {})", detail, slash != nullptr ? slash + 1 : file, line,
                      condition);
}

}  // namespace swallow
