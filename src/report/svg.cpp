#include "report/svg.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "report/style.h"

namespace swallow {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

/// A character of UTF-8 at the front of `text`: how many bytes it has, 0 when it is none.
size_t character_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size == 0 || first > 0xf4 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  // Overlong forms, surrogates, U+FFFE and U+FFFF, and what lies above U+10FFFF.
  if (size == 3 && first == 0xe0 && byte(1) < 0xa0) return 0;
  if (size == 3 && first == 0xed && byte(1) >= 0xa0) return 0;
  if (size == 3 && first == 0xef && byte(1) == 0xbf && byte(2) >= 0xbe) return 0;
  if (size == 4 && first == 0xf0 && byte(1) < 0x90) return 0;
  if (size == 4 && first == 0xf4 && byte(1) >= 0x90) return 0;
  return size;
}

std::string number(double value) {
  if (!std::isfinite(value)) return "0";
  const double tenths = std::round(value * 10.0) / 10.0;
  return fmt::format("{}", tenths == 0.0 ? 0.0 : tenths);  // no "-0"
}

std::string points_text(const std::vector<SvgPoint>& points) {
  std::string text;
  for (const SvgPoint& point : points) {
    if (!text.empty()) text += ' ';
    text += number(point.x);
    text += ',';
    text += number(point.y);
  }
  return text;
}

std::string_view name_of(SvgWriter::Anchor anchor) {
  switch (anchor) {
    case SvgWriter::Anchor::start:
      return "start";
    case SvgWriter::Anchor::middle:
      return "middle";
    case SvgWriter::Anchor::end:
      return "end";
  }
  return {};
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t size = character_bytes(text);
    const char c = text[0];
    const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n';
    if (size == 0 || control)
      out += kReplacement;
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

double text_width(std::string_view text) {
  double width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0U) != 0x80U) width += byte >= 0xe3 ? 12.0 : 6.6;  // 0xe3: Japanese and beyond
  }
  return width;
}

void SvgWriter::end(std::string_view element, std::string_view tip) {
  if (tip.empty())
    body_ += "/>\n";
  else
    body_ += fmt::format("><title>{}</title></{}>\n", escape_xml(tip), element);
}

void SvgWriter::rect(Box box, std::string_view css_class, std::string_view tip) {
  body_ += fmt::format(R"(<rect class="{}" x="{}" y="{}" width="{}" height="{}")", css_class,
                       number(box.x), number(box.y), number(box.width), number(box.height));
  end("rect", tip);
}

void SvgWriter::line(SvgPoint from, SvgPoint to, std::string_view css_class, std::string_view tip) {
  body_ += fmt::format(R"(<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}")", css_class,
                       number(from.x), number(from.y), number(to.x), number(to.y));
  end("line", tip);
}

void SvgWriter::polyline(const std::vector<SvgPoint>& points, std::string_view css_class) {
  if (points.size() < 2) return;
  body_ += fmt::format(R"(<polyline class="{}" points="{}")", css_class, points_text(points));
  end("polyline", {});
}

void SvgWriter::polygon(const std::vector<SvgPoint>& points, std::string_view css_class,
                        std::string_view tip) {
  body_ += fmt::format(R"(<polygon class="{}" points="{}")", css_class, points_text(points));
  end("polygon", tip);
}

void SvgWriter::circle(SvgPoint centre, double radius, std::string_view css_class,
                       std::string_view tip) {
  body_ += fmt::format(R"(<circle class="{}" cx="{}" cy="{}" r="{}")", css_class, number(centre.x),
                       number(centre.y), number(radius));
  end("circle", tip);
}

void SvgWriter::text(SvgPoint at, std::string_view content, Anchor anchor,
                     std::string_view css_class) {
  body_ += fmt::format(R"(<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>)", css_class,
                       number(at.x), number(at.y), name_of(anchor), escape_xml(content));
  body_ += '\n';
}

void SvgWriter::upright_text(SvgPoint at, std::string_view content, std::string_view css_class) {
  body_ += fmt::format(
      R"svg(<text class="{}" text-anchor="middle" transform="translate({} {}) rotate(-90)">{}</text>)svg",
      css_class, number(at.x), number(at.y), escape_xml(content));
  body_ += '\n';
}

std::string SvgWriter::element(std::string_view label) const {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" )"
      "role=\"img\" aria-label=\"{2}\">\n{3}</svg>\n",
      number(width_), number(height_), escape_xml(label), body_);
}

std::string SvgWriter::document(std::string_view label) const {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" )"
      "role=\"img\" aria-label=\"{2}\">\n<style>{3}</style>\n<rect class=\"paper\" width=\"{0}\" "
      "height=\"{1}\"/>\n{4}{5}</svg>\n",
      number(width_), number(height_), escape_xml(label), picture_style(), fill_definitions(),
      body_);
}

}  // namespace swallow
