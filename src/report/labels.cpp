#include "report/labels.h"

#include <algorithm>
#include <array>

namespace swallow {

namespace {

constexpr double kHeight = 13;
constexpr double kGap = 7;  // between a point and a label beside it

bool overlap(const Box& a, const Box& b) {
  return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom();
}

}  // namespace

bool LabelPlacer::free(const Box& box) const {
  const bool inside = box.x >= area_.x && box.right() <= area_.right() && box.y >= area_.y &&
                      box.bottom() <= area_.bottom();
  return inside && std::none_of(taken_.begin(), taken_.end(),
                                [&box](const Box& other) { return overlap(box, other); });
}

void LabelPlacer::place(SvgWriter& svg, SvgPoint point, std::string_view text,
                        std::string_view css_class) {
  const double width = text_width(text);
  Box chosen{point.x + kGap, point.y - kHeight / 2, width, kHeight};
  bool beside = true;
  constexpr int kMostRows = 14;
  for (int row = 0; row <= kMostRows; ++row) {
    const double shift = row * kHeight;
    const double middle = point.y - kHeight / 2;
    const std::array<Box, 6> places{{
        {point.x - width / 2, point.y - kGap - kHeight - shift, width, kHeight},
        {point.x - width / 2, point.y + kGap + shift, width, kHeight},
        {point.x + kGap, middle - shift, width, kHeight},
        {point.x - kGap - width, middle - shift, width, kHeight},
        {point.x + kGap, middle + shift, width, kHeight},
        {point.x - kGap - width, middle + shift, width, kHeight},
    }};
    const auto found =
        std::find_if(places.begin(), places.end(), [this](const Box& box) { return free(box); });
    if (found == places.end()) continue;
    chosen = *found;
    beside = row == 0;
    break;
  }
  taken_.push_back(chosen);
  const bool right = chosen.x > point.x;
  const double middle = chosen.y + kHeight / 2;
  if (!beside) svg.line(point, {right ? chosen.x - 2 : chosen.right() + 2, middle}, "leader");
  svg.text({chosen.x, middle + 4}, text, SvgWriter::Anchor::start, css_class);
}

}  // namespace swallow
