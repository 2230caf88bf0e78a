// Whether a report's page is sound, without a parser of XML.
#pragma once

#include <string>
#include <vector>

namespace swallow::test {

/// Why the text is no well-formed XML, or nothing. Knows what a page is made of: elements,
/// attributes in double quotes, the five entities.
inline std::string xml_problem(const std::string& text) {
  std::vector<std::string> open;
  const auto at_end = [&](size_t at) { return at == std::string::npos || at >= text.size(); };
  size_t at = text.find("<html");
  if (at != std::string("<!DOCTYPE html>\n").size()) return "does not begin with its type";
  while (!at_end(at)) {
    const size_t markup = text.find_first_of("<&", at);
    if (at_end(markup)) break;
    if (text[markup] == '&') {
      const size_t end = text.find(';', markup);
      const std::string name = text.substr(markup + 1, end - markup - 1);
      if (name != "amp" && name != "lt" && name != "gt" && name != "quot")
        return "entity " + name.substr(0, 20);
      at = end + 1;
      continue;
    }
    const bool closing = text[markup + 1] == '/';
    const size_t name_at = markup + (closing ? 2 : 1);
    const size_t name_end = text.find_first_of(" \n/>", name_at);
    const std::string name = text.substr(name_at, name_end - name_at);
    size_t end = name_end;
    bool quoted = false;
    for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<') return "a < inside " + name;
    }
    if (at_end(end)) return name + " has no end";
    if (closing) {
      if (open.empty() || open.back() != name) return "</" + name + "> without its begin";
      open.pop_back();
    } else if (text[end - 1] != '/') {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty() ? "" : open.back() + " is left open";
}

/// Whether no place or size in a page's pictures is NaN or infinite. A run's own text cannot pass
/// for an attribute, for its quotes are escaped.
inline bool has_finite_places(const std::string& page) {
  for (const char* name :
       {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height", "d", "points"}) {
    const std::string begin = std::string(" ") + name + "=\"";
    for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at)) {
      at += begin.size();
      const std::string value = page.substr(at, page.find('"', at) - at);
      if (value.find('n') != std::string::npos) return false;  // of "nan" and "inf"
    }
  }
  return true;
}

}  // namespace swallow::test
