// A number by which ranks of a job know what is theirs.
#pragma once

#include <cstdint>

namespace swallow {

[[nodiscard]] uint64_t random_key();

}  // namespace swallow
