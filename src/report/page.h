// Sections put together to one HTML file that needs nothing else: no network, no script.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "report/section.h"

namespace swallow {

struct SectionGroup {
  std::string title;  // plain text; empty: the sections stand at the page's own level
  std::vector<Section> sections;
};

/// A whole file. `title` and `subtitle` are plain text. Well-formed as XML too.
std::string html_page(std::string_view title, std::string_view subtitle,
                      std::span<const SectionGroup> groups);

/// The page of `run` and what else was given to compare with it: overview and curves over all, the
/// other sections for each. `trace_folder` replaces that of the first run; empty: its own.
std::string run_report(const std::vector<RunRecord>& runs, const std::string& trace_folder);

}  // namespace swallow
