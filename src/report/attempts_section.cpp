// The section on jobs: when each ran, what it saved and how it ended.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "report/html.h"
#include "report/plot.h"
#include "report/section.h"
#include "report/style.h"

namespace swallow {

namespace {

constexpr size_t kMostAttempts = 100;  // of a picture; the latest are shown
constexpr double kQuarterHour = 900;
constexpr double kNearby = 300;

/// How far the log's clock, which has no zone, is ahead of UTC: by the beginnings of the last job
/// in both files. Nothing when they do not belong together.
std::optional<double> clock_offset(const RunRecord& run) {
  if (run.attempts.attempts.empty() || run.jobs.empty()) return std::nullopt;
  const double apart = run.jobs.back().begin - run.attempts.attempts.back().begin;
  if (!std::isfinite(apart)) return std::nullopt;
  const double offset = std::round(apart / kQuarterHour) * kQuarterHour;
  return std::abs(apart - offset) <= kNearby ? std::optional(offset) : std::nullopt;
}

/// When an attempt ended: as it told; else by the last line that its job logged; else unknown.
double end_of(const RunRecord& run, const AttemptRecord& attempt, double next_begin,
              const std::optional<double>& offset) {
  if (std::isfinite(attempt.end)) return attempt.end;
  double end = NAN;
  if (offset)
    for (const JobRecord& job : run.jobs) {
      const double begin = job.begin - *offset;
      if (begin >= attempt.begin - kNearby && (std::isnan(next_begin) || begin < next_begin) &&
          job.end - *offset >= attempt.begin)
        end = job.end - *offset;
    }
  return end;
}

std::string outcome(const AttemptRecord& attempt) {
  if (attempt.exit < 0) return "no end told: killed, crashed or still running";
  return fmt::format("{} ({})", describe_exit(attempt.exit), attempt.exit);
}

struct Row {
  const AttemptRecord* attempt = nullptr;
  double begin = NAN, end = NAN;
  bool told = false;  // its end is the log's, not a guess
};

std::vector<Row> rows_of(const RunRecord& run, const std::optional<double>& offset) {
  const auto& attempts = run.attempts.attempts;
  std::vector<Row> rows;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const double next = i + 1 < attempts.size() ? attempts[i + 1].begin : NAN;
    double end = end_of(run, attempts[i], next, offset);
    const double begin = std::isfinite(attempts[i].begin) ? attempts[i].begin : end;
    if (std::isnan(end)) end = begin;
    rows.push_back({&attempts[i], begin, std::max(begin, end), std::isfinite(attempts[i].end)});
  }
  if (rows.size() > kMostAttempts)
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(kMostAttempts));
  return rows;
}

Interval range_of_rows(const std::vector<Row>& rows) {
  Interval range{NAN, NAN};
  for (const Row& row : rows) {
    if (std::isnan(row.begin)) continue;
    range.low = std::isnan(range.low) ? row.begin : std::min(range.low, row.begin);
    range.high = std::isnan(range.high) ? row.end : std::max(range.high, row.end);
  }
  return range;
}

/// Behind the bar where there is room, else before it, else within the picture's right edge.
void label_bar(SvgWriter& svg, const Box& area, double left, double right, double y,
               const std::string& text) {
  const double width = text_width(text);
  if (right + 8 + width <= area.right())
    svg.text({right + 8, y}, text, SvgWriter::Anchor::start, "small halo");
  else if (left - 8 - width >= area.x)
    svg.text({left - 8, y}, text, SvgWriter::Anchor::end, "small halo");
  else
    svg.text({area.right() - 4, y}, text, SvgWriter::Anchor::end, "small halo");
}

std::string attempts_picture(const RunRecord& run, const std::vector<Row>& rows,
                             const std::optional<double>& offset) {
  const Interval range = range_of_rows(rows);
  const double row_height = rows.size() <= 30 ? 26 : 18;
  const double height = row_height * static_cast<double>(rows.size());
  constexpr double kLeft = 64;
  constexpr double kTop = 26;
  SvgWriter svg(960, kTop + height + 42);
  PlotAxis axis = clock_axis({range.low, std::max(range.high, range.low + 1)}, 7);
  axis.title = "UTC";
  const Plot plot(svg, {kLeft, kTop, 960 - kLeft - 16, height}, axis, {"", {0, 1}, false, {}});
  plot.draw_frame(Plot::XLabels::shown);
  std::vector<LegendEntry> legend{
      {LegendEntry::Sample::area, fill_class(0), "a job"},
      {LegendEntry::Sample::area, fill_class(1), "one that told no end"}};
  if (offset) legend.push_back({LegendEntry::Sample::dash, "centre", "checkpoint"});
  draw_legend(svg, {kLeft, 14}, legend);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const double y = kTop + row_height * static_cast<double>(i);
    svg.text({kLeft - 8, y + row_height / 2 + 4}, fmt::format("#{}", row.attempt->number),
             SvgWriter::Anchor::end);
    if (std::isnan(row.begin)) continue;
    const double left = plot.to_x(row.begin);
    const double right = std::max(left + 2, plot.to_x(row.end));
    svg.rect({left, y + 5, right - left, row_height - 10}, fill_class(row.told ? 0 : 1),
             fmt::format("{} to {}", moment_text(row.begin), moment_text(row.end)));
    if (offset) {
      double last = -1e9;
      for (const SaveRecord& save : run.saves) {
        const double at = plot.to_x(save.moment - *offset);
        const bool inside =
            save.moment - *offset >= row.begin - 1 && save.moment - *offset <= row.end + 1;
        if (!inside || at - last < 2) continue;
        last = at;
        svg.line({at, y + 2}, {at, y + row_height - 2}, "centre",
                 fmt::format("checkpoint of step {}", save.step));
      }
    }
    label_bar(svg, plot.area(), left, right, y + row_height / 2 + 4, outcome(*row.attempt));
  }
  return svg.element("jobs of the run over time");
}

}  // namespace

Section attempts_section(const RunRecord& run) {
  Section section{"attempts", "Jobs", {}};
  if (run.attempts.attempts.empty()) {
    section.body =
        absent("the log of jobs, attempts.jsonl; training with --save writes it into that folder.");
    return section;
  }
  const std::optional<double> offset = clock_offset(run);
  const std::vector<Row> rows = rows_of(run, offset);
  if (std::isfinite(range_of_rows(rows).low)) section.body += attempts_picture(run, rows, offset);
  if (run.attempts.attempts.size() > rows.size())
    section.body += paragraph(
        fmt::format("The latest {} of {} jobs.", rows.size(), run.attempts.attempts.size()),
        "note");
  HtmlTable table{{"job", "host", "scheduler's id", "began (UTC)", "took", "from step", "to step",
                   "how it ended"},
                  {},
                  true};
  for (const Row& row : rows) {
    const AttemptRecord& attempt = *row.attempt;
    table.rows.push_back(
        {fmt::format("{}", attempt.number), attempt.host, attempt.run_id,
         std::isfinite(row.begin) ? moment_text(row.begin) : "-",
         row.told && std::isfinite(row.begin) ? value_text(row.end - row.begin, Unit::seconds)
                                              : "-",
         attempt.from_iteration >= 0 ? fmt::format("{}", attempt.from_iteration) : "-",
         attempt.last_iteration >= 0 ? fmt::format("{}", attempt.last_iteration) : "-",
         outcome(attempt)});
  }
  section.body += html_table(table);
  return section;
}

}  // namespace swallow
