#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "report/axis.h"
#include "report/curve.h"
#include "report/gantt.h"
#include "report/histogram.h"
#include "report/svg.h"

using namespace swallow;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> labels(Interval range, Unit unit, int most) {
  std::vector<std::string> texts;
  for (const Tick& tick : round_ticks(range, unit, most)) texts.push_back(tick.label);
  return texts;
}

using Labels = std::vector<std::string>;

}  // namespace

TEST_CASE("ticks are round, have units and end within the range", "[unit][report]") {
  REQUIRE(labels({0, 10}, Unit::plain, 6) == Labels{"0", "2", "4", "6", "8", "10"});
  REQUIRE(labels({1.13, 1.41}, Unit::plain, 4) == Labels{"1.2", "1.3", "1.4"});
  REQUIRE(labels({0, 3e-4}, Unit::plain, 4) == Labels{"0", "0.0001", "0.0002", "0.0003"});
  REQUIRE(labels({0, 2.1e9}, Unit::count, 5) == Labels{"0", "0.5B", "1.0B", "1.5B", "2.0B"});
  REQUIRE(labels({0, 0.021}, Unit::seconds, 5) == Labels{"0", "5 ms", "10 ms", "15 ms", "20 ms"});
  REQUIRE(labels({0, 5400}, Unit::seconds, 5) == Labels{"0", "30 min", "60 min", "90 min"});
  REQUIRE(labels({0, 3 * 86400.0}, Unit::seconds, 4) == Labels{"0", "1 d", "2 d", "3 d"});
  REQUIRE(labels({0, 34359738368.0}, Unit::bytes, 4) == Labels{"0", "10 GiB", "20 GiB", "30 GiB"});
  REQUIRE(labels({0, 1}, Unit::percent, 6) == Labels{"0", "20 %", "40 %", "60 %", "80 %", "100 %"});
}

TEST_CASE("ticks of any range are few, apart, inside and tell themselves apart", "[unit][report]") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-9, 12);
  for (int i = 0; i < 4000; ++i) {
    const double low = std::pow(10, exponent(random)) * (i % 3 == 0 ? -1 : i % 3);
    const double high = low + std::pow(10, exponent(random));
    if (!(high - low > std::abs(low) * 1e-6)) continue;
    for (const Unit unit : {Unit::plain, Unit::count, Unit::seconds, Unit::bytes}) {
      CAPTURE(low, high, static_cast<int>(unit));
      const bool whole = unit == Unit::count || unit == Unit::bytes;
      if (whole && std::max(std::abs(low), std::abs(high)) < 1) continue;  // nothing to count
      const std::vector<Tick> ticks = round_ticks({low, high}, unit, 8);
      REQUIRE(ticks.size() <= 8);
      for (const Tick& tick : ticks) {
        REQUIRE(tick.value >= low - 1e-6 * (high - low));
        REQUIRE(tick.value <= high + 1e-6 * (high - low));
      }
      std::set<double> values;
      for (const Tick& tick : ticks) values.insert(tick.value);
      REQUIRE(values.size() == ticks.size());
    }
  }
}

TEST_CASE("a value has three digits, and none of them is an exponent's", "[unit][report]") {
  REQUIRE(value_text(0.1234, Unit::seconds) == "123 ms");
  REQUIRE(value_text(0.99949, Unit::seconds) == "999 ms");
  REQUIRE(value_text(0.99996, Unit::seconds) == "1000 ms");
  REQUIRE(value_text(1, Unit::seconds) == "1 s");
}

TEST_CASE("an axis of values that are nearly one has its marks too", "[unit][report]") {
  for (const double low : {2.5, -2.5, 1e99, 1e-99}) {
    CAPTURE(low);
    const PlotAxis axis = linear_axis("", {low, std::nextafter(low, 1e100)}, Unit::plain, 6);
    REQUIRE(axis.range.low <= low);
    REQUIRE(axis.range.length() > 0.01 * std::abs(low));
    REQUIRE(axis.ticks.size() > 1);
    REQUIRE(axis.ticks.size() <= 6);
  }
  REQUIRE(round_ticks({2.5, std::nextafter(2.5, 3)}, Unit::plain, 6).size() == 1);
}

TEST_CASE("a logarithmic axis puts equal factors at equal distances", "[unit][report]") {
  const PlotAxis axis = log_axis("", {1, 10000}, Unit::plain);
  REQUIRE(axis.position(1) == Approx(0));
  REQUIRE(axis.position(100) == Approx(0.5));
  REQUIRE(axis.position(10000) == Approx(1));
  REQUIRE(axis.ticks.size() == 5);
  REQUIRE(log_axis("", {0.2, 0.8}, Unit::plain).ticks.size() >= 3);
  REQUIRE(std::isfinite(log_axis("", {0, 0}, Unit::plain).position(1)));
}

TEST_CASE("a clock's axis names the day where it begins", "[unit][report]") {
  const double noon = 1772452800;  // 2026-03-02 12:00
  const PlotAxis axis = clock_axis({noon, noon + 86400}, 7);
  REQUIRE(axis.ticks.front().label == "2026-03-02 12:00");
  REQUIRE(axis.ticks[1].label == "18:00");
  REQUIRE(axis.ticks[2].label == "2026-03-03 00:00");
  REQUIRE(moment_text(noon + 61) == "2026-03-02 12:01");
}

TEST_CASE("a reduced curve keeps every extreme and every mean", "[unit][report]") {
  std::mt19937 random(3);
  std::normal_distribution<double> noise;
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 100000; ++i) {
    x.push_back(i);
    y.push_back(noise(random));
  }
  y[31337] = 1000;
  y[77777] = -1000;
  const auto columns = reduce_curve(x, y, {0, 99999}, 500);
  REQUIRE(columns.size() == 500);
  int64_t count = 0;
  double sum = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    REQUIRE(columns[c].low <= columns[c].mean);
    REQUIRE(columns[c].mean <= columns[c].high);
    if (c > 0) REQUIRE(columns[c].x > columns[c - 1].x);
    count += columns[c].count;
    sum += columns[c].mean * static_cast<double>(columns[c].count);
  }
  REQUIRE(count == 100000);
  double all = 0;
  for (const double value : y) all += value;
  REQUIRE(sum == Approx(all));
  REQUIRE(std::any_of(columns.begin(), columns.end(),
                      [](const CurveColumn& column) { return column.high == 1000; }));
  REQUIRE(std::any_of(columns.begin(), columns.end(),
                      [](const CurveColumn& column) { return column.low == -1000; }));
}

TEST_CASE("a short curve keeps its points, without those that are not finite", "[unit][report]") {
  const std::vector<double> x{3, 1, 2, 4};
  const std::vector<double> y{30, 10, kNaN, 40};
  const auto columns = reduce_curve(x, y, {1, 3.5}, 100);
  REQUIRE(columns.size() == 2);
  REQUIRE(columns[0].mean == 10);
  REQUIRE(columns[1].mean == 30);
  REQUIRE(columns[1].apart);  // x = 2 lies between
  REQUIRE(reduce_curve({}, {}, {0, 1}, 10).empty());
}

TEST_CASE("an axis leaves out what would press all else together", "[unit][report]") {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(2.0 + 0.001 * i);
  REQUIRE(range_without_outliers(values).high == values.back());
  values.push_back(500);
  const Interval range = range_without_outliers(values);
  REQUIRE(range.low == 2.0);
  REQUIRE(range.high < 4);
  REQUIRE(range.high > 2.99);
  REQUIRE(range_without_outliers(std::vector<double>{kNaN}).length() == 1);
}

TEST_CASE("quantiles are by the nearest rank", "[unit][report]") {
  const std::vector<double> values{5, 1, kNaN, 4, 2, 3};
  REQUIRE(quantile(values, 0.5) == 3);
  REQUIRE(quantile(values, 0.95) == 5);
  REQUIRE(quantile(values, 0) == 1);
  REQUIRE(std::isnan(quantile({}, 0.5)));
}

TEST_CASE("a histogram counts every finite value once", "[unit][report]") {
  std::vector<double> values{kNaN};
  for (int i = 0; i < 1000; ++i) values.push_back(1 + 0.001 * i);
  values.push_back(1000);
  const HistogramBins bins = count_values(values, 20);
  int64_t sum = 0;
  for (const int64_t count : bins.counts) sum += count;
  REQUIRE(sum == 1001);
  REQUIRE(bins.above == 1);
  REQUIRE(count_values(std::vector<double>(5, 2.0), 10).counts.size() == 10);
}

TEST_CASE("the bubble is the share of the rows' time without a bar", "[unit][report]") {
  using Kind = GanttBar::Kind;
  const std::vector<GanttBar> bars{{0, Kind::forward, 0, 0, 1},
                                   {0, Kind::backward, 0, 3, 5},
                                   {1, Kind::forward, 0, 1, 2},
                                   {1, Kind::backward, 0, 2, 4}};
  REQUIRE(bubble_share(bars) == Approx(0.4));  // 2 rows x 5, of which 6 are busy
  REQUIRE(bubble_share({}) == 0);
  const auto cut = cut_bars(bars, {0.5, 2.5});
  REQUIRE(cut.size() == 3);
  REQUIRE(cut[0].begin == 0.5);
  REQUIRE(cut[2].end == 2.5);
}

TEST_CASE("text is escaped, whatever its bytes", "[unit][report]") {
  REQUIRE(escape_xml("a<b>&\"c\"") == "a&lt;b&gt;&amp;&quot;c&quot;");
  REQUIRE(escape_xml("日本語 é 🐦") == "日本語 é 🐦");
  const std::string mark = "\xef\xbf\xbd";
  for (const char* bad : {"\x01", "\x1b", "\x80", "\xff", "\xc0", "\xe3\x81", "\xf4\x90\x80\x80"})
    REQUIRE(escape_xml(bad).starts_with(mark));
  REQUIRE(escape_xml("\xed\xa0\x80") == mark + mark + mark);  // half of a surrogate pair
  REQUIRE(escape_xml("\xc0\xaf") == mark + mark);             // an overlong slash
  REQUIRE(escape_xml("\xef\xbf\xbf") == mark + mark + mark);  // U+FFFF
  SvgWriter svg(10, 10);
  svg.text({kNaN, 1}, "<x>");
  svg.rect({0, 0, 1, 1}, "shade", "a \"tip\" & more");
  const std::string element = svg.element("\"<>&");
  REQUIRE(element.find("<x>") == std::string::npos);
  REQUIRE(element.find("nan") == std::string::npos);
  REQUIRE(element.find("<title>a &quot;tip&quot; &amp; more</title>") != std::string::npos);
}
