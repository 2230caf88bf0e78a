// Element types: the DType tag, bfloat16, and visit_dtype, which turns a tag into a C++ type once
// at the border of a kernel.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/check.h"

namespace swallow {

enum class DType : uint8_t { f32, bf16, f64, i32, i64, u8, u16 };

// What converts is always inlined: kernels compiled for wider instruction sets use it, too, and of
// a function that is not the linker would keep one copy, perhaps theirs.

/// Brain float: the upper half of an IEEE binary32, rounded to nearest even; NaN stays NaN.
struct bfloat16 {
  uint16_t bits = 0;

  bfloat16() = default;
  [[gnu::always_inline]] explicit bfloat16(float value) : bits(round(value)) {}
  [[gnu::always_inline]] explicit operator float() const {
    return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
  }
  friend bool operator==(bfloat16 a, bfloat16 b) = default;

 private:
  [[gnu::always_inline]] static uint16_t round(float value) {
    const auto u = __builtin_bit_cast(uint32_t, value);
    if ((u & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((u >> 16) | 0x40U);
    return static_cast<uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
  }
};
static_assert(sizeof(bfloat16) == 2);

template <class T>
inline constexpr DType kDTypeOf = [] {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, bfloat16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<T, uint16_t>)
    return DType::u16;
  else {
    static_assert(std::is_same_v<T, uint8_t>, "no DType for this type");
    return DType::u8;
  }
}();

constexpr int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
    case DType::u16:
      return 2;
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f64:
      return "f64";
    case DType::i32:
      return "i32";
    case DType::i64:
      return "i64";
    case DType::u8:
      return "u8";
    case DType::u16:
      return "u16";
  }
  return "?";
}

/// The type sums are kept in: f64 for f64, otherwise f32. Gradients, master weights and moments
/// have this type too.
template <class T>
using Accumulate = std::conditional_t<std::is_same_v<T, double>, double, float>;

constexpr DType accumulate_dtype(DType dtype) {
  return dtype == DType::f64 ? DType::f64 : DType::f32;
}

/// Calls fn(std::type_identity<T>{}) for the floating-point type that `dtype` names.
template <class Fn>
decltype(auto) visit_dtype(DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::f32:
      return fn(std::type_identity<float>{});
    case DType::bf16:
      return fn(std::type_identity<bfloat16>{});
    case DType::f64:
      return fn(std::type_identity<double>{});
    default:
      break;
  }
  throw ContractError("expected a floating-point type, got {}", name_of(dtype));
}

/// Conversions through the accumulation type, written once for all element types.
template <class To, class From>
[[gnu::always_inline]] inline To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<From, bfloat16>) {
    return static_cast<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return bfloat16(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace swallow
