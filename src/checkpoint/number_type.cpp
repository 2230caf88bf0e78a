#include "checkpoint/number_type.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/math.h"

namespace swallow {

namespace {

/// An IEEE binary16 number by its bits.
struct Half {
  uint16_t bits = 0;
};
static_assert(sizeof(Half) == 2);

double to_double(Half half) {
  const uint32_t magnitude = half.bits & 0x7fffU;
  float value = 0;
  if (magnitude < 0x7c00U)
    // The fields of binary32 with an exponent of 112 too little; subnormal numbers come out right.
    value = std::bit_cast<float>(magnitude << 13U) * 0x1p112F;
  else
    value = magnitude == 0x7c00U ? HUGE_VALF : std::nanf("");
  return static_cast<double>((half.bits & 0x8000U) != 0 ? -value : value);
}

double to_double(bfloat16 value) {
  return static_cast<double>(static_cast<float>(value));
}
double to_double(float value) {
  return static_cast<double>(value);
}
double to_double(double value) {
  return value;
}

/// A number of `digits` significant bits whose smallest exponent step is 2^`least`, nearest to
/// `value`, ties to even.
double round_to(double value, int digits, int least) {
  if (!std::isfinite(value) || value == 0) return value;
  const int step = std::max(std::ilogb(value) - digits + 1, least);
  return std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
}

template <class T>
T from_double(double value);

template <>
double from_double(double value) {
  return value;
}
template <>
float from_double(double value) {
  return static_cast<float>(value);
}
template <>
bfloat16 from_double(double value) {
  // Rounded here, so that the way over fp32 does not round a second time.
  return bfloat16(static_cast<float>(round_to(value, 8, -133)));
}
template <>
Half from_double(double value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000U : 0U);
  const double size = std::fabs(round_to(value, 11, -24));
  if (std::isnan(value)) return {static_cast<uint16_t>(sign | 0x7e00U)};
  if (size >= 65536.0) return {static_cast<uint16_t>(sign | 0x7c00U)};
  const int exponent = size == 0 ? -15 : std::max(std::ilogb(size), -15);
  const bool normal = exponent >= -14;
  const auto fraction = static_cast<uint16_t>(std::ldexp(size, normal ? 10 - exponent : 24));
  // The leading bit of a normal number adds one to the exponent's field.
  return {static_cast<uint16_t>(sign + fraction + (normal ? (exponent + 14) << 10 : 0))};
}

template <class Fn>
decltype(auto) visit_type(NumberType type, Fn&& fn) {
  switch (type) {
    case NumberType::f64:
      return fn(double{});
    case NumberType::f32:
      return fn(float{});
    case NumberType::bf16:
      return fn(bfloat16{});
    case NumberType::f16:
      return fn(Half{});
  }
  throw ContractError("no such type: {}", static_cast<int>(type));
}

template <class From, class To>
std::optional<int64_t> convert_all(std::span<const std::byte> from, std::span<std::byte> to) {
  const size_t count = from.size() / sizeof(From);
  std::optional<int64_t> bad;
  for (size_t i = 0; i < count; ++i) {
    From source;
    std::memcpy(&source, from.data() + i * sizeof source, sizeof source);
    To target;
    if constexpr (std::is_same_v<From, To>)
      target = source;
    else if constexpr (std::is_same_v<From, bfloat16> && std::is_same_v<To, float>)
      target = static_cast<float>(source);
    else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, bfloat16>)
      target = bfloat16(source);
    else
      target = from_double<To>(to_double(source));
    if (!std::isfinite(to_double(target)) && !bad) bad = static_cast<int64_t>(i);
    std::memcpy(to.data() + i * sizeof target, &target, sizeof target);
  }
  return bad;
}

}  // namespace

NumberType number_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return NumberType::f64;
    case DType::f32:
      return NumberType::f32;
    case DType::bf16:
      return NumberType::bf16;
    default:
      throw ContractError("{} is no type of weights", name_of(dtype));
  }
}

std::optional<NumberType> number_type(std::string_view dtype) {
  for (const NumberType type :
       {NumberType::f64, NumberType::f32, NumberType::bf16, NumberType::f16})
    if (file_dtype(type) == dtype) return type;
  return std::nullopt;
}

std::string_view file_dtype(NumberType type) {
  switch (type) {
    case NumberType::f64:
      return "F64";
    case NumberType::f32:
      return "F32";
    case NumberType::bf16:
      return "BF16";
    case NumberType::f16:
      return "F16";
  }
  return "?";
}

int64_t size_of(NumberType type) {
  return visit_type(type, [](auto value) { return static_cast<int64_t>(sizeof value); });
}

bool holds_exactly(NumberType to, NumberType from) {
  if (to == from || to == NumberType::f64) return true;
  return to == NumberType::f32 && from != NumberType::f64;
}

std::optional<int64_t> convert_numbers(std::span<const std::byte> from, NumberType from_type,
                                       std::span<std::byte> to, NumberType to_type) {
  const auto count = exact_div(static_cast<int64_t>(from.size()), size_of(from_type));
  SWALLOW_CHECK(static_cast<int64_t>(to.size()) == count * size_of(to_type), "{} bytes for {} {}",
                to.size(), count, file_dtype(to_type));
  return visit_type(from_type, [&](auto source) {
    return visit_type(to_type, [&](auto target) {
      return convert_all<decltype(source), decltype(target)>(from, to);
    });
  });
}

}  // namespace swallow
