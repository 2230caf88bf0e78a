#include "report/page.h"

#include <fmt/format.h>

#include "report/style.h"
#include "report/svg.h"

namespace swallow {

namespace {

constexpr std::string_view kPageStyle = R"(
body{margin:0;background:var(--paper);color:var(--ink);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans",sans-serif}
main,header{max-width:980px;margin:0 auto;padding:0 20px}
header{padding-top:28px}h1{font-size:26px;margin:0}h2{font-size:19px;margin:34px 0 8px;
 padding-top:10px;border-top:1px solid var(--grid)}h2.group{font-size:22px;margin-top:48px}
p{margin:8px 0;max-width:860px}.subtitle,.note{color:var(--soft)}.note{font-size:13px}
.verdict{font-size:16px}.absent{color:var(--soft);font-style:italic}
.notice{border-left:4px solid var(--alarm);padding-left:10px}
nav{margin:14px 0;font-size:14px}nav a{margin-right:14px;color:var(--c0)}
section svg{max-width:100%;height:auto;display:block;margin:10px 0}
.table{overflow-x:auto}table{border-collapse:collapse;font-size:13.5px;margin:10px 0}
th,td{padding:3px 14px 3px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
th{font-weight:500}thead th{color:var(--soft)}.right{text-align:right;white-space:nowrap;
 font-variant-numeric:tabular-nums}tbody th{white-space:nowrap}
.definitions{position:absolute;width:0;height:0}
footer{max-width:980px;margin:40px auto 24px;padding:0 20px;color:var(--soft);font-size:13px}
@media print{nav{display:none}}
)";

std::string anchor(const Section& section, size_t group) {
  return fmt::format("{}-{}", section.id, group);
}

std::string navigation(std::span<const SectionGroup> groups) {
  std::string out = "<nav>";
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].title.empty()) out += fmt::format("<b>{}: </b>", escape_xml(groups[i].title));
    for (const Section& section : groups[i].sections)
      out += fmt::format("<a href=\"#{}\">{}</a> ", anchor(section, i), escape_xml(section.title));
    if (i + 1 < groups.size()) out += "<br/>";
  }
  return out + "</nav>\n";
}

SectionGroup sections_of(const RunRecord& run, const std::string& trace_folder) {
  return {"",
          {step_time_section(run), goodput_section(run), throughput_section(run),
           memory_section(run), pipeline_section(run, trace_folder), ranks_section(run),
           data_section(run), attempts_section(run)}};
}

}  // namespace

std::string html_page(std::string_view title, std::string_view subtitle,
                      std::span<const SectionGroup> groups) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>"
      "<meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>"
      "<title>{0}</title>\n<style>{1}{2}</style></head>\n<body>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"definitions\" aria-hidden=\"true\">{3}"
      "</svg>\n<header><h1>{0}</h1><p class=\"subtitle\">{4}</p>{5}</header>\n<main>\n",
      escape_xml(title), picture_style(), kPageStyle, fill_definitions(), escape_xml(subtitle),
      navigation(groups));
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].title.empty())
      out += fmt::format("<h2 class=\"group\">{}</h2>\n", escape_xml(groups[i].title));
    for (const Section& section : groups[i].sections)
      out += fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", anchor(section, i),
                         escape_xml(section.title), section.body);
  }
  return out +
         "</main>\n<footer>Written by swallow-train report. This file needs nothing but "
         "itself.</footer>\n</body></html>\n";
}

std::string run_report(const std::vector<RunRecord>& runs, const std::string& trace_folder) {
  std::vector<SectionGroup> groups{
      {"", {overview_section(runs), loss_section(runs), optimization_section(runs)}}};
  for (size_t i = 0; i < runs.size(); ++i) {
    const bool given = i == 0 && !trace_folder.empty();
    SectionGroup group = sections_of(runs[i], given ? trace_folder : runs[i].trace_folder);
    if (runs.size() == 1) {
      groups[0].sections.insert(groups[0].sections.end(), group.sections.begin(),
                                group.sections.end());
    } else {
      group.title = runs[i].name;
      groups.push_back(std::move(group));
    }
  }
  std::string names;
  for (const RunRecord& run : runs) names += (names.empty() ? "" : ", ") + run.name;
  return html_page(fmt::format("Training report: {}", names),
                   runs.size() == 1 ? runs[0].path : fmt::format("{} runs", runs.size()), groups);
}

}  // namespace swallow
