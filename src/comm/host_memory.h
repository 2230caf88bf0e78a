// What the transports that read and write host memory share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "tensor/tensor.h"

namespace swallow {

/// Throws ContractError when the tensor is not in host memory, as `transport` needs it.
inline void require_host(const Tensor& tensor, std::string_view transport) {
  SWALLOW_CHECK(tensor.device.kind == DeviceKind::cpu, "{} needs host memory, {} is on {}",
                transport, to_string(tensor), to_string(tensor.device));
}

inline std::byte* bytes_of(const Tensor& tensor) noexcept {
  return static_cast<std::byte*>(tensor.data);
}

/// Nothing to do for an empty piece, or one that lies where it belongs.
inline void copy_if_any(void* to, const void* from, int64_t bytes) noexcept {
  if (bytes > 0 && to != from) std::memcpy(to, from, static_cast<size_t>(bytes));
}

}  // namespace swallow
