// SVG as text, element by element, and the escaping that it shares with the page around it. What an
// element looks like is a class of style.h; nothing here knows of colours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// `text` as the content of an element or the value of an attribute: markup escaped; bytes that are
/// not UTF-8, and characters that XML forbids, replaced by U+FFFD.
std::string escape_xml(std::string_view text);

struct Box {
  double x = 0, y = 0, width = 0, height = 0;

  [[nodiscard]] double right() const noexcept { return x + width; }
  [[nodiscard]] double bottom() const noexcept { return y + height; }
};

struct SvgPoint {
  double x = 0, y = 0;
};

/// Roughly what `text` takes at a font size of 12, in pixels: for placing labels, not for
/// measuring.
double text_width(std::string_view text);

/// Coordinates are pixels at the picture's natural size. `tip` is what a pointer shows, or empty.
class SvgWriter {
 public:
  SvgWriter(double width, double height) : width_(width), height_(height) {}

  void rect(Box box, std::string_view css_class, std::string_view tip = {});
  void line(SvgPoint from, SvgPoint to, std::string_view css_class, std::string_view tip = {});
  /// Straight lines through the points; nothing when there are fewer than two.
  void polyline(const std::vector<SvgPoint>& points, std::string_view css_class);
  /// The area between them, closed.
  void polygon(const std::vector<SvgPoint>& points, std::string_view css_class,
               std::string_view tip = {});
  void circle(SvgPoint centre, double radius, std::string_view css_class,
              std::string_view tip = {});

  enum class Anchor { start, middle, end };
  void text(SvgPoint at, std::string_view content, Anchor anchor = Anchor::start,
            std::string_view css_class = {});
  /// Reads from the bottom up, centred on `at`.
  void upright_text(SvgPoint at, std::string_view content, std::string_view css_class = {});

  [[nodiscard]] double width() const noexcept { return width_; }

  /// The element to stand in a page; `label` is for those who cannot see it.
  [[nodiscard]] std::string element(std::string_view label) const;
  /// A file of its own, with the style that a page would give it.
  [[nodiscard]] std::string document(std::string_view label) const;

 private:
  void end(std::string_view element, std::string_view tip);

  double width_, height_;
  std::string body_;
};

}  // namespace swallow
