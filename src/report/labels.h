// Labels of points in a picture that keep clear of each other.
#pragma once

#include <string_view>
#include <vector>

#include "report/svg.h"

namespace swallow {

class LabelPlacer {
 public:
  /// Labels stay inside `area`.
  explicit LabelPlacer(Box area) : area_(area) {}

  /// Nothing will be put on it.
  void reserve(Box box) { taken_.push_back(box); }
  /// Draws `text` at the free place nearest to `point`, joined to it by a thin line when that is
  /// not beside it.
  void place(SvgWriter& svg, SvgPoint point, std::string_view text, std::string_view css_class);

 private:
  [[nodiscard]] bool free(const Box& box) const;

  Box area_;
  std::vector<Box> taken_;
};

}  // namespace swallow
