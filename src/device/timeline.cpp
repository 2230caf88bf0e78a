#include "device/timeline.h"

#include <chrono>
#include <cmath>
#include <utility>

namespace swallow {

namespace {

constexpr size_t kNone = SIZE_MAX;

int64_t ns_of(double ms) {
  return std::llround(ms * 1e6);
}

}  // namespace

int64_t Timeline::now_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Timeline::reserve(size_t spans) {
  entries_.reserve(spans);
  if (device_.kind == DeviceKind::cpu) return;
  marks_.reserve(spans);
  while (marks_.size() < spans) marks_.push_back({Event(device_), Event(device_)});
}

void Timeline::begin_step(Stream& stream, int64_t step) {
  recording_ = entries_.capacity() > 0;
  step_ = step;
  if (recording_ && device_.kind == DeviceKind::cuda) note_origin(stream);
}

/// Only the first one waits: later steps are tied to it by the device's own clock.
void Timeline::note_origin(Stream& stream) {
  origins_.push_back({Event(device_)});
  if (origins_.size() == 1) stream.synchronize();
  origins_.back().ns = now_ns();
  origins_.back().event.record(stream);
}

Timeline::Span::Span(Timeline& timeline, Track track, const char* name, Stream& stream,
                     int64_t microbatch)
    : range_(name), timeline_(timeline), stream_(stream), index_(kNone) {
  if (!timeline.recording_) return;
  if (timeline.entries_.size() == timeline.entries_.capacity()) {
    ++timeline.lost_;
    return;
  }
  index_ = timeline.entries_.size();
  timeline.entries_.push_back({.name = name,
                               .track = track,
                               .step = timeline.step_,
                               .microbatch = microbatch,
                               .begin_ns = now_ns()});
  if (!timeline.by_events(track)) return;
  timeline.marks_[index_].origin = timeline.origins_.size() - 1;
  timeline.marks_[index_].begin.record(stream);
}

Timeline::Span::~Span() {
  if (index_ == kNone) return;
  Entry& entry = timeline_.entries_[index_];
  entry.end_ns = now_ns();
  if (!timeline_.by_events(entry.track)) return;
  try {
    timeline_.marks_[index_].end.record(stream_);
  } catch (...) {  // the device has failed, and the next call that is checked says so
    entry.track = Track::host;
  }
}

void Timeline::resolve(const std::function<void(const Event&)>& wait) {
  for (size_t i = 1; i < origins_.size(); ++i) {  // step by step: an interval is a float's
    wait(origins_[i].event);
    origins_[i].ns = origins_[i - 1].ns + ns_of(origins_[i].event.ms_since(origins_[i - 1].event));
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!by_events(entries_[i].track)) continue;
    const Mark& mark = marks_[i];
    const Origin& origin = origins_[mark.origin];
    wait(mark.end);
    entries_[i].begin_ns = origin.ns + ns_of(mark.begin.ms_since(origin.event));
    entries_[i].end_ns = origin.ns + ns_of(mark.end.ms_since(origin.event));
  }
  origins_.clear();
}

std::vector<Timeline::Entry> Timeline::take(const std::function<void(const Event&)>& wait) {
  recording_ = false;
  if (device_.kind == DeviceKind::cuda) resolve(wait);
  marks_.clear();
  return std::exchange(entries_, {});
}

}  // namespace swallow
