// The types that weights have in files, among them fp16, in which nothing here computes, and exact
// conversion between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/dtype.h"

namespace swallow {

enum class NumberType : uint8_t { f64, f32, bf16, f16 };

/// The same type where DType has it; a type that is not floating point is an error.
NumberType number_type(DType dtype);
/// Of a safetensors type such as "F16"; nullopt for one that holds no weights.
std::optional<NumberType> number_type(std::string_view file_dtype);
/// Its name in a safetensors file.
std::string_view file_dtype(NumberType type);
int64_t size_of(NumberType type);

/// Whether every number of `from` is one of `to`.
bool holds_exactly(NumberType to, NumberType from);

/// Converts as many numbers as `from` holds, rounded once, to nearest, ties to even; equal types
/// are copied. Returns the first number that is not finite in `to`, counted from 0: NaN and
/// infinity, or what is too large for `to`.
std::optional<int64_t> convert_numbers(std::span<const std::byte> from, NumberType from_type,
                                       std::span<std::byte> to, NumberType to_type);

}  // namespace swallow
