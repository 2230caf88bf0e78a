// Numbers for people, in a fixed number of columns.
#pragma once

#include <cstdint>
#include <string>

namespace swallow {

/// `value` with `precision` decimals, right-aligned in `width`; in exponent form when that does not
/// fit; "nan" and "inf" when not finite. Never wider than `width`, for widths from 7 on.
std::string fixed_text(double value, int width, int precision);

/// Four significant digits, at least 7 columns wide.
std::string significant_text(double value, int width);

/// "512", "4.19M", "104.9B": at most 6 columns.
std::string count_text(int64_t count);

/// "0:07", "12:34", "3:21:09", "2d 04h": at most 8 columns; "-" when negative or not finite.
std::string duration_text(double seconds);

/// "1.25 GiB", "640 KiB"
std::string bytes_text(int64_t bytes);

}  // namespace swallow
