// What the fuzz targets share: which exceptions are an answer, and what is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/check.h"

namespace swallow::fuzz {

/// A property that must hold whatever the input.
inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Calls fn(); true when the input is accepted, false when it is refused by an error of ours. A
/// broken contract and every other exception end the run with the input that caused it.
template <class Fn>
bool accepted(Fn&& fn) {
  try {
    fn();
    return true;
  } catch (const ContractError&) {
    throw;
  } catch (const Error&) {
    return false;
  }
}

inline std::span<const std::byte> bytes_of(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace swallow::fuzz
