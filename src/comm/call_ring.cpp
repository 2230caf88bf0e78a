#include "comm/call_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace swallow {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

int64_t now() {
  return std::chrono::nanoseconds(AwakeClock::now().time_since_epoch()).count();
}

double seconds(int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) * 1e-9;
}

uint64_t pack(Axis axis, const Call& call) {
  const auto byte = [](auto value, int at) { return static_cast<uint64_t>(value) << (8 * at); };
  return byte(axis, 0) | byte(call.kind, 1) | byte(call.dtype, 2) | byte(call.reduce, 3) |
         byte(static_cast<uint32_t>(call.root), 4);
}

}  // namespace

void CallRing::begin(Axis axis, const Call& call) noexcept {
  const uint64_t number = last_.load(kRelaxed) + 1;
  Entry& e = entry(number);
  e.number.store(0, std::memory_order_release);
  e.what.store(pack(axis, call), std::memory_order_release);
  e.count.store(call.count, std::memory_order_release);
  e.begin.store(now(), std::memory_order_release);
  e.end.store(0, std::memory_order_release);
  e.number.store(number, std::memory_order_release);
  last_.store(number, std::memory_order_release);
}

void CallRing::end() noexcept {
  Entry& e = entry(last_.load(kRelaxed));
  const int64_t time = now();
  e.end.store(time, std::memory_order_release);
  waited_.store(waited_.load(kRelaxed) + time - e.begin.load(kRelaxed), kRelaxed);
}

double CallRing::waited_seconds() const noexcept {
  return seconds(waited_.load(kRelaxed));
}

CallRing::Record CallRing::read(uint64_t number) const {
  const Entry& e = entries_[number % kCapacity];
  constexpr auto kAcquire = std::memory_order_acquire;
  if (number == 0 || e.number.load(kAcquire) != number) return {};
  const uint64_t what = e.what.load(kAcquire);
  const auto byte = [what](int at) { return static_cast<uint8_t>(what >> (8 * at)); };
  Record record{.number = number,
                .axis = static_cast<Axis>(byte(0)),
                .call = {.kind = static_cast<CallKind>(byte(1)),
                         .dtype = static_cast<DType>(byte(2)),
                         .reduce = static_cast<ReduceOp>(byte(3)),
                         .root = static_cast<int32_t>(what >> 32),
                         .count = e.count.load(kAcquire)},
                .begin = e.begin.load(kAcquire),
                .end = e.end.load(kAcquire)};
  return e.number.load(kAcquire) == number ? record : Record{};
}

std::string CallRing::Record::text() const {
  constexpr std::array kAxes{"tp", "dp", "pp"};
  return fmt::format("call {}: {} of the {} group", number, to_string(call),
                     kAxes[static_cast<size_t>(axis)]);
}

Doing CallRing::doing() const {
  const Record last = read(last_.load(std::memory_order_acquire));
  if (last.number == 0) return {.busy_seconds = 0, .text = "before its first call"};
  const int64_t time = now();
  if (last.end == 0)
    return {.busy_seconds = -1,
            .text = fmt::format("for {:.1f} s in {}", seconds(time - last.begin), last.text())};
  const double busy = std::max(0.0, seconds(time - last.end));
  return {.busy_seconds = busy, .text = fmt::format("for {:.1f} s after {}", busy, last.text())};
}

std::string CallRing::text() const {
  const uint64_t last = last_.load(std::memory_order_acquire);
  const int64_t time = now();
  std::string lines;
  for (uint64_t number = last > kCapacity ? last - kCapacity + 1 : 1; number <= last; ++number) {
    const Record record = read(number);
    if (record.number == 0) continue;
    const std::string took = record.end == 0
                                 ? "has not returned"
                                 : fmt::format("took {:.6f} s", seconds(record.end - record.begin));
    fmt::format_to(std::back_inserter(lines), "{:.6f} s ago, {}: {}\n",
                   seconds(time - record.begin), took, record.text());
  }
  return lines;
}

}  // namespace swallow
