#include "report/style.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace swallow {

namespace {

/// Colours in an order in which neighbours differ in lightness too.
constexpr std::array<std::string_view, kLineStyles> kLight{"#1f5fa8", "#d9822b", "#2f7d4f",
                                                           "#a05bb5", "#7a5c1e", "#c2405f"};
constexpr std::array<std::string_view, kLineStyles> kDark{"#6fb1ff", "#f0a860", "#7fd39a",
                                                          "#d3a2e6", "#d8bd74", "#f08aa3"};
constexpr std::array<std::string_view, kLineStyles> kDashes{"none",    "7 3",     "2 2.5",
                                                            "9 3 2 3", "4 2 1 2", "12 4"};

/// What is drawn over a tile of 8 x 8 pixels; the first is plain.
constexpr std::array<std::string_view, 7> kHatchings{
    "",
    "M-2 2 L2 -2 M0 8 L8 0 M6 10 L10 6",
    "M0 2 H8 M0 6 H8",
    "M2 2 h2 M6 6 h2",
    "M-2 6 L2 10 M0 0 L8 8 M6 -2 L10 2",
    "M2 0 V8 M6 0 V8",
    "M0 0 L8 8 M8 0 L0 8",
};

std::string variables(const std::array<std::string_view, kLineStyles>& colours,
                      std::string_view rest) {
  std::string text;
  for (size_t i = 0; i < colours.size(); ++i) text += fmt::format("--c{}:{};", i, colours[i]);
  return text + std::string(rest);
}

constexpr std::string_view kLightRest =
    "--paper:#ffffff;--ink:#1b1f24;--soft:#5c6670;--grid:#e3e7eb;--edge:#9aa4ae;--shade:#eef1f4;"
    "--alarm:#b3261e;--hatch:#ffffff;--heat0:#eef4fb;--heat1:#1f5fa8;";
constexpr std::string_view kDarkRest =
    "--paper:#15181c;--ink:#e6e9ec;--soft:#a3adb7;--grid:#2b3138;--edge:#5d6873;--shade:#20252b;"
    "--alarm:#ff8a80;--hatch:#15181c;--heat0:#1d2733;--heat1:#6fb1ff;";

constexpr std::string_view kClasses = R"(
svg{font-family:system-ui,-apple-system,"Segoe UI","Noto Sans",sans-serif;font-size:12px}
svg text{fill:var(--ink)}svg .soft{fill:var(--soft)}svg .small{font-size:10.5px}
svg .strong{font-weight:600}svg .alarm-text{fill:var(--alarm);font-weight:600}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.paper{fill:var(--paper)}.frame{fill:none;stroke:var(--edge)}.grid{stroke:var(--grid)}
.axis{stroke:var(--edge)}.shade{fill:var(--shade)}
.restart{stroke:var(--ink);stroke-width:1;stroke-dasharray:4 3}
.centre{stroke:var(--ink);stroke-width:1.5}.limit{stroke:var(--soft);stroke-dasharray:5 3}
.alarm{stroke:var(--alarm);fill:none;stroke-width:2}.alarm-fill{fill:var(--alarm)}
.tick-mark{fill:var(--ink)}.redone{fill:none;stroke:var(--soft);stroke-dasharray:2 2}
.ideal{fill:none;stroke:var(--soft);stroke-dasharray:6 4}
.published{fill:var(--paper);stroke:var(--soft);stroke-width:1.5}
.leader{stroke:var(--edge);stroke-width:.8}
.save{fill:var(--c2)}.evaluation{fill:url(#fill1)}.start{fill:var(--ink)}
polyline.validation,line.validation{stroke-width:2.4;stroke-dasharray:1.5 3.5}
.narrow,rect.backward.narrow{stroke:none}rect.backward.narrow{fill:var(--edge)}
.cell{stroke:var(--paper)}
.forward{fill:var(--c0);stroke:var(--paper);stroke-width:.7}.on-forward,.on-dark{fill:var(--paper)}
.backward{fill:var(--heat0);stroke:var(--c0);stroke-width:.9}
)";

}  // namespace

std::string line_class(size_t index) {
  return fmt::format("line{}", index % kLineStyles);
}

std::string point_class(size_t index) {
  return fmt::format("point{}", index % kLineStyles);
}

std::string area_class(size_t index) {
  return fmt::format("area{}", index % kLineStyles);
}

std::string fill_class(size_t index) {
  return fmt::format("fill{}", index % kFillStyles);
}

std::string picture_style() {
  std::string text = fmt::format(
      ":root{{color-scheme:light dark;{}}}\n"
      "@media (prefers-color-scheme:dark){{:root{{{}}}}}\n{}",
      variables(kLight, kLightRest), variables(kDark, kDarkRest), kClasses);
  for (size_t i = 0; i < kLineStyles; ++i)
    text += fmt::format(
        ".line{0}{{fill:none;stroke:var(--c{0});stroke-width:1.4;stroke-linejoin:round;"
        "stroke-dasharray:{1}}}\n"
        ".point{0}{{fill:var(--paper);stroke:var(--c{0});stroke-width:1.8}}\n"
        ".area{0}{{fill:var(--c{0});opacity:.22;stroke:none}}\n",
        i, kDashes[i]);
  for (int i = 0; i <= kHeatSteps; ++i)
    text += fmt::format(".heat{}{{fill:color-mix(in srgb,var(--heat1) {}%,var(--heat0))}}\n", i,
                        100 * i / kHeatSteps);
  for (size_t i = 0; i < kFillStyles; ++i)
    text += fmt::format(".fill{0}{{fill:url(#fill{0});stroke:var(--paper);stroke-width:.7}}\n", i);
  return text;
}

std::string fill_definitions() {
  std::string text = "<defs>\n";
  for (size_t i = 0; i < kFillStyles; ++i)
    text += fmt::format(
        R"svg(<pattern id="fill{0}" width="8" height="8" patternUnits="userSpaceOnUse">)svg"
        R"svg(<rect width="8" height="8" style="fill:var(--c{1})"/>)svg"
        R"svg(<path d="{2}" style="fill:none;stroke:var(--hatch);stroke-width:1.3"/></pattern>)svg"
        "\n",
        i, i % kLineStyles, kHatchings[i % kHatchings.size()]);
  return text + "</defs>\n";
}

}  // namespace swallow
