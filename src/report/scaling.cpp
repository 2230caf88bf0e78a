#include "report/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "config/value_text.h"
#include "report/html.h"
#include "report/labels.h"
#include "report/page.h"
#include "report/plot.h"
#include "report/published.h"
#include "report/style.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr Box kArea{76, 30, 860, 330};
constexpr double kGpuTflops = 20;  // a rank with more is a GPU: published speeds compare with it

using SeriesMap = std::map<std::string, std::vector<const BenchRecord*>>;

/// By series, each with its records by ranks.
SeriesMap series_of(const std::vector<BenchRecord>& records) {
  SeriesMap series;
  for (const BenchRecord& record : records) series[record.series()].push_back(&record);
  for (auto& [name, members] : series)
    std::stable_sort(
        members.begin(), members.end(),
        [](const BenchRecord* a, const BenchRecord* b) { return a->ranks < b->ranks; });
  return series;
}

double most_tflops(const std::vector<BenchRecord>& records) {
  double most = 0;
  for (const BenchRecord& record : records) most = std::max(most, record.tflops[0]);
  return most;
}

bool has_gpus(const std::vector<BenchRecord>& records) {
  return most_tflops(records) >= kGpuTflops;
}

/// One quantity against ranks.
struct Quantity {
  double (*of)(const BenchRecord&);
  double (*published)(const PublishedPoint&);  // 0: not stated
  double most_published;                       // more would press the own points together
  bool per_rank;                               // ideal: the same; else: proportional to the ranks
  std::string title;
};

/// Of those that state it; 0 otherwise.
double published_value(const Quantity& quantity, const PublishedPoint& point) {
  const double value = quantity.published(point);
  return value <= quantity.most_published ? value : 0;
}

Interval rank_range(const std::vector<BenchRecord>& records, bool published) {
  double most = 1;
  for (const BenchRecord& record : records)
    most = std::max(most, static_cast<double>(record.ranks));
  if (published)
    for (const PublishedPoint& point : published_points())
      most = std::max(most, static_cast<double>(point.gpus));
  return {0.8, std::max(2.0, most) * 1.6};
}

/// Powers of two, as people choose their ranks.
PlotAxis rank_axis(Interval range) {
  PlotAxis axis{"ranks", range, true, {}};
  for (int64_t ranks = 1; static_cast<double>(ranks) <= range.high; ranks *= 2)
    axis.ticks.push_back({static_cast<double>(ranks), fmt::format("{}", ranks)});
  return axis;
}

/// What `ranks` would do if each did as much as the `base_ranks` did together with `base`.
double ideal(const Quantity& quantity, double base_ranks, double base, double ranks) {
  return quantity.per_rank ? base : base * ranks / base_ranks;
}

PlotAxis value_axis(const std::vector<BenchRecord>& records, const Quantity& quantity,
                    bool published) {
  double low = 1e300;
  double high = 0;
  const auto include = [&](double value) {
    if (!(value > 0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const BenchRecord& record : records) include(quantity.of(record));
  for (const auto& [name, members] : series_of(records)) {
    const auto fewest = static_cast<double>(members.front()->ranks);
    include(ideal(quantity, fewest, quantity.of(*members.front()),
                  static_cast<double>(members.back()->ranks)));
  }
  if (published)
    for (const PublishedPoint& point : published_points())
      include(published_value(quantity, point));
  if (quantity.per_rank) return linear_axis(quantity.title, {0, high * 1.15}, Unit::plain, 8);
  return log_axis(quantity.title, {low * 0.6, high * 1.8}, Unit::count);
}

/// Up to how many ranks the ideal line stays inside the picture.
double ideal_end(const Plot& plot, const Quantity& quantity, double base_ranks, double base) {
  const double right = plot.x_axis().range.high;
  if (quantity.per_rank || !(base > 0)) return right;
  return std::min(right, base_ranks * plot.y_axis().range.high / base);
}

void draw_series(Plot& plot, const std::vector<const BenchRecord*>& members,
                 const Quantity& quantity, size_t style) {
  std::vector<double> x;
  std::vector<double> y;
  std::vector<std::string> tips;
  for (const BenchRecord* record : members) {
    x.push_back(static_cast<double>(record->ranks));
    y.push_back(quantity.of(*record));
    tips.push_back(fmt::format("{}: {} ranks, {:.4g} {}", record->label, record->ranks,
                               quantity.of(*record), quantity.title));
  }
  const std::vector<double> ideal_x{x[0], ideal_end(plot, quantity, x[0], y[0])};
  const std::vector<double> ideal_y{y[0], ideal(quantity, x[0], y[0], ideal_x[1])};
  plot.thin_curve(ideal_x, ideal_y, "ideal");
  plot.curve(x, y, style, "");
  plot.points(x, y, style, tips);
}

std::string picture(const std::vector<BenchRecord>& records, const Quantity& quantity) {
  const bool published = has_gpus(records);
  SvgWriter svg(960, kArea.bottom() + 40);
  Plot plot(svg, kArea, rank_axis(rank_range(records, published)),
            value_axis(records, quantity, published));
  plot.draw_frame(Plot::XLabels::shown);
  LabelPlacer labels({kArea.x + 2, kArea.y + 2, kArea.width - 4, kArea.height - 4});
  std::vector<LegendEntry> legend;
  size_t style = 0;
  for (const auto& [name, members] : series_of(records)) {
    draw_series(plot, members, quantity, style);
    legend.push_back({LegendEntry::Sample::line, line_class(style++), name});
  }
  legend.push_back({LegendEntry::Sample::line, "ideal", "ideal"});
  const auto at = [&](double ranks, double value) {
    return SvgPoint{plot.to_x(ranks), plot.to_y(value)};
  };
  const auto reserve = [&](SvgPoint p) { labels.reserve({p.x - 4, p.y - 4, 8, 8}); };
  for (const BenchRecord& record : records)
    reserve(at(static_cast<double>(record.ranks), quantity.of(record)));
  if (published) {
    legend.push_back({LegendEntry::Sample::point, "published", "published, see the table"});
    for (const PublishedPoint& point : published_points())
      if (const double value = published_value(quantity, point); value > 0)
        reserve(at(static_cast<double>(point.gpus), value));
  }
  for (const BenchRecord& record : records)
    labels.place(svg, at(static_cast<double>(record.ranks), quantity.of(record)), record.label,
                 "strong small halo");
  if (published)
    for (const PublishedPoint& point : published_points()) {
      const double value = published_value(quantity, point);
      if (!(value > 0)) continue;
      const SvgPoint where = at(static_cast<double>(point.gpus), value);
      svg.circle(where, 3.2, "published",
                 fmt::format("{}: {}, {}", point.who, point.what, point.gpu));
      labels.place(svg, where, point.key, "soft small halo");
    }
  draw_legend(svg, {kArea.x, 16}, legend);
  return svg.element(quantity.title + " against ranks");
}

/// Speed of a rank as a share of that of the smallest record of the series.
double efficiency(const BenchRecord& record, const BenchRecord& base) {
  return record.tokens_per_second / static_cast<double>(record.ranks) /
         (base.tokens_per_second / static_cast<double>(base.ranks));
}

HtmlTable runs_table(const std::vector<const BenchRecord*>& members) {
  HtmlTable table{{"record", "ranks", "DP × TP × PP", "batch", "step", "spread", "tokens/s",
                   "a rank", "efficiency", "TFLOPS causal", "full", "fork_c", "MFU"},
                  {},
                  true};
  for (const BenchRecord* record : members) {
    const BenchRecord& r = *record;
    table.rows.push_back(
        {r.label, fmt::format("{}", r.ranks), fmt::format("{} × {} × {}", r.dp, r.tp, r.pp),
         fmt::format("{} × {}", r.global_batch_size, r.seq_length),
         value_text(r.step_ms / 1e3, Unit::seconds), fmt::format("{:.1f} %", 100 * r.spread),
         fmt::format("{:.0f}", r.tokens_per_second),
         fmt::format("{:.0f}", r.tokens_per_second_per_rank),
         fmt::format("{:.1f} %", 100 * efficiency(r, *members.front())),
         fmt::format("{:.4g}", r.tflops[0]), fmt::format("{:.4g}", r.tflops[1]),
         fmt::format("{:.4g}", r.tflops[3]),
         r.mfu > 0 ? fmt::format("{:.1f} %", 100 * r.mfu) : "-"});
  }
  return table;
}

std::string runs_tables(const std::vector<BenchRecord>& records) {
  std::string out;
  for (const auto& [name, members] : series_of(records))
    out += paragraph(name) + html_table(runs_table(members));
  return out;
}

HtmlTable published_table() {
  HtmlTable table{
      {"", "who", "what", "GPU", "GPUs", "tokens/s a GPU", "TFLOPS", "by which count", "source"},
      {},
      true};
  for (const PublishedPoint& p : published_points())
    table.rows.push_back(
        {std::string(p.key), std::string(p.who), std::string(p.what), std::string(p.gpu),
         fmt::format("{}", p.gpus),
         p.tokens_per_second_per_gpu > 0 ? fmt::format("{:.0f}", p.tokens_per_second_per_gpu) : "-",
         p.tflops > 0 ? fmt::format("{:.0f}", p.tflops) : "-", std::string(p.formula),
         std::string(p.source)});
  return table;
}

}  // namespace

std::vector<double> scaling_efficiency(const std::vector<BenchRecord>& records) {
  const SeriesMap series = series_of(records);
  std::vector<double> shares;
  for (const BenchRecord& record : records)
    shares.push_back(efficiency(record, *series.at(record.series()).front()));
  return shares;
}

std::string scaling_page(const std::vector<BenchRecord>& records) {
  const Quantity tflops{[](const BenchRecord& r) { return r.tflops[0]; },
                        [](const PublishedPoint& p) { return p.tflops; }, 2 * most_tflops(records),
                        true, "TFLOPS a rank"};
  const Quantity tokens{[](const BenchRecord& r) { return r.tokens_per_second; },
                        [](const PublishedPoint& p) {
                          return p.tokens_per_second_per_gpu * static_cast<double>(p.gpus);
                        },
                        1e300, false, "tokens/s"};
  const std::string note =
      has_gpus(records)
          ? "Own points: the causal count. Published points keep the count that they were "
            "published "
            "with, which alone makes a third of difference: compare on tokens/s. Those above twice "
            "the best own point are in the table only."
          : "By the causal count. Published speeds are of GPUs, far above these: they are in the "
            "table below and not in the pictures.";
  const std::vector<SectionGroup> groups{
      {"",
       {{"tflops", "TFLOPS of a rank", picture(records, tflops) + paragraph(note, "note")},
        {"tokens", "Tokens per second", picture(records, tokens)},
        {"runs", "Records", runs_tables(records)},
        {"published", "Published", html_table(published_table())}}}};
  return html_page("Scaling", fmt::format("{} records of swallow-train bench", records.size()),
                   groups);
}

std::string scaling_table(const std::vector<BenchRecord>& records) {
  const std::vector<double> shares = scaling_efficiency(records);
  TextTable table{.title = "Scaling",
                  .header = {"record", "ranks", "DP", "TP", "PP", "step ms", "tokens/s", "a rank",
                             "efficiency", "TFLOPS causal"},
                  .rows = {}};
  for (size_t i = 0; i < records.size(); ++i) {
    const BenchRecord& r = records[i];
    table.rows.push_back(
        {printable(r.label), fmt::format("{}", r.ranks), fmt::format("{}", r.dp),
         fmt::format("{}", r.tp), fmt::format("{}", r.pp), fmt::format("{:.1f}", r.step_ms),
         fmt::format("{:.0f}", r.tokens_per_second),
         fmt::format("{:.0f}", r.tokens_per_second_per_rank),
         fmt::format("{:.1f} %", 100 * shares[i]), fmt::format("{:.4g}", r.tflops[0])});
  }
  return table.text();
}

}  // namespace swallow
