// CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4), as the framing of some files wants it.
#pragma once

#include <cstdint>
#include <string_view>

namespace swallow {

[[nodiscard]] uint32_t crc32c(std::string_view bytes) noexcept;

}  // namespace swallow
