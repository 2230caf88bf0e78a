// How pictures look, in light and dark: colours, and beside them what tells series and parts apart
// in grey: dashes of lines, hatching of areas. Written into every page and every picture of its
// own.
#pragma once

#include <cstddef>
#include <string>

namespace swallow {

/// Classes repeat after so many.
inline constexpr size_t kLineStyles = 6;
inline constexpr size_t kFillStyles = 12;
/// Classes heat0, the least, to heat10.
inline constexpr int kHeatSteps = 10;

/// Class of the line of series `index`; of its points; of the light area about it.
std::string line_class(size_t index);
std::string point_class(size_t index);
std::string area_class(size_t index);
/// Class of the area of part `index`.
std::string fill_class(size_t index);

/// Rules for SVG: variables of both schemes, and the classes that pictures use.
std::string picture_style();
/// The hatchings that fill classes refer to, as <defs>: once in a page or picture.
std::string fill_definitions();

}  // namespace swallow
