#include "bench/timing.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace swallow {

namespace {

constexpr double kGroupMs = 2.0;
constexpr int64_t kMostCallsInGroup = 64;

}  // namespace

Statistics summarise(std::vector<double> values) {
  SWALLOW_CHECK(!values.empty(), "no measurements");
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {static_cast<int64_t>(values.size()), median, values.front(), values.back()};
}

Stopwatch::Stopwatch(Stream& stream)
    : stream_(stream), begin_(stream.device()), end_(stream.device()) {}

void Stopwatch::start() {
  stream_.synchronize();
  host_begin_ = std::chrono::steady_clock::now();
  begin_.record(stream_);
}

double Stopwatch::stop_ms() {
  if (stream_.device().kind == DeviceKind::cpu) {
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - host_begin_;
    return elapsed.count();
  }
  end_.record(stream_);
  end_.synchronize();
  return end_.ms_since(begin_);
}

Statistics time_calls(Stream& stream, int64_t repeats,
                      const std::function<void(int64_t call)>& work) {
  Stopwatch watch(stream);
  int64_t call = 0;
  const auto group_ms = [&](int64_t calls) {
    watch.start();
    for (int64_t i = 0; i < calls; ++i) work(call++);
    return watch.stop_ms();
  };
  group_ms(1);  // loads modules, makes handles, chooses algorithms
  const double one_ms = std::max(group_ms(1), 1e-6);
  const auto calls = static_cast<int64_t>(
      std::clamp(std::ceil(kGroupMs / one_ms), 1.0, static_cast<double>(kMostCallsInGroup)));
  group_ms(calls);
  std::vector<double> ms;
  for (int64_t i = 0; i < repeats; ++i) ms.push_back(group_ms(calls) / static_cast<double>(calls));
  return summarise(std::move(ms));
}

}  // namespace swallow
