#include "train/trace_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kClockRounds = 16;
constexpr std::array<const char*, kNumTracks> kTrackNames{"compute", "pp", "dp", "host"};

double microseconds(int64_t ns) {
  return static_cast<double>(ns) * 1e-3;
}

int64_t number_of(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  SWALLOW_CHECK(error == std::errc() && end == text.data() + text.size(), "a clock told as '{}'",
                text);
  return value;
}

Json metadata(const char* name, int rank, Json args) {
  return {{"name", name}, {"ph", "M"}, {"pid", rank}, {"args", std::move(args)}};
}

}  // namespace

ClockOffset measure_clock_offset(ControlPlane& control) {
  const auto own = static_cast<size_t>(control.rank());
  ClockOffset offset{.ns = std::numeric_limits<int64_t>::max()};
  control.barrier();
  for (int round = 0; round < kClockRounds; ++round) {
    // Each rank tells when the round before has ended on its clock.
    const std::vector<std::string> ends = control.exchange(std::to_string(Timeline::now_ns()));
    offset.origin = number_of(ends.front());
    offset.ns = std::min(offset.ns, number_of(ends[own]) - offset.origin);
  }
  return offset;
}

std::string trace_json(const TraceHead& head, std::span<const Timeline::Entry> entries) {
  Json events = Json::array();
  events.push_back(metadata("process_name", head.rank,
                            {{"name", fmt::format("rank {} on {}", head.rank, head.host)}}));
  events.push_back(metadata(
      "process_labels", head.rank,
      {{"labels", fmt::format("stage {}, dp {}, tp {}", head.at.pp, head.at.dp, head.at.tp)}}));
  events.push_back(metadata("process_sort_index", head.rank, {{"sort_index", head.rank}}));
  for (size_t track = 0; track < kNumTracks; ++track) {
    Json name = metadata("thread_name", head.rank, {{"name", kTrackNames[track]}});
    name["tid"] = track;
    events.push_back(std::move(name));
  }
  for (const Timeline::Entry& entry : entries) {
    Json args = {{"step", entry.step}};
    if (entry.microbatch >= 0) args["microbatch"] = entry.microbatch;
    events.push_back({{"name", entry.name},
                      {"ph", "X"},
                      {"pid", head.rank},
                      {"tid", static_cast<int>(entry.track)},
                      {"ts", microseconds(entry.begin_ns - head.clock.ns - head.clock.origin)},
                      {"dur", microseconds(entry.end_ns - entry.begin_ns)},
                      {"args", std::move(args)}});
  }
  const Json other = {{"clock_ahead_of_rank_0_us", microseconds(head.clock.ns)},
                      {"lost_spans", head.lost}};
  const Json file = {
      {"displayTimeUnit", "ms"}, {"otherData", other}, {"traceEvents", std::move(events)}};
  return file.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void write_trace(const std::string& folder, const TraceHead& head,
                 std::span<const Timeline::Entry> entries) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::string path = fmt::format("{}/trace-{}.json", folder, head.rank);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << trace_json(head, entries) << std::endl;
  if (!file) throw IoError("{}: cannot be written", path);
}

}  // namespace swallow
