#include "comm/random_key.h"

#include <random>

namespace swallow {

uint64_t random_key() {
  std::random_device source;
  return (uint64_t{source()} << 32) | source();
}

}  // namespace swallow
