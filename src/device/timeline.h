// When a rank did what, in a few steps, for a picture: spans on tracks. Each track is one order of
// work, a stream's or the host's, so that spans of a track never overlap but nest. On the CPU,
// where a stream's work is done when its call returns, spans are timed by the host's steady clock;
// on a GPU by pairs of events on the stream, turned into that clock by an event whose host time is
// known. Outside a recorded step a span costs a branch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "device/device.h"

namespace swallow {

enum class Track : uint8_t {
  compute,   // forward, backward, the optimizer's arithmetic
  pipeline,  // transfers between stages
  data,      // reductions and gathers over the data-parallel group
  host,      // the thread that launches all of these
};

constexpr size_t kNumTracks = 4;

class Timeline {
 public:
  struct Entry {
    const char* name = nullptr;
    Track track = Track::host;
    int64_t step = 0;
    int64_t microbatch = -1;  // -1: of none
    int64_t begin_ns = 0;     // of the steady clock
    int64_t end_ns = 0;
  };

  explicit Timeline(Device device) : device_(device) {}

  /// Makes room for so many spans; the only place where memory is taken. Without it nothing is
  /// recorded, and spans that find no room are counted instead.
  void reserve(size_t spans);

  /// Spans that begin between the two are recorded. The first call waits for `stream`.
  void begin_step(Stream& stream, int64_t step);
  void end_step() noexcept { recording_ = false; }

  /// A span from construction to destruction; also a TraceRange. `name` is a literal. On a GPU it
  /// lasts from when `stream` comes to what is launched within it to when that is done; of the host
  /// track the host's clock is taken.
  class Span {
   public:
    Span(Timeline& timeline, Track track, const char* name, Stream& stream,
         int64_t microbatch = -1);
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;
    ~Span();

   private:
    TraceRange range_;
    Timeline& timeline_;
    Stream& stream_;
    size_t index_;  // of the entry, or of none
  };

  /// What was recorded, in the order in which it began; forgets it. `wait` returns when an event
  /// has passed.
  [[nodiscard]] std::vector<Entry> take(const std::function<void(const Event&)>& wait);
  /// Spans that found no room.
  [[nodiscard]] int64_t lost() const noexcept { return lost_; }

  /// Now, in nanoseconds of the clock of the entries.
  [[nodiscard]] static int64_t now_ns() noexcept;

 private:
  struct Mark {
    Event begin, end;
    size_t origin = 0;  // the step's, in origins_
  };
  /// The begin of a step on a GPU.
  struct Origin {
    Event event;
    int64_t ns = 0;  // the host's time at the first one; of the others worked out by take()
  };

  [[nodiscard]] bool by_events(Track track) const noexcept {
    return device_.kind == DeviceKind::cuda && track != Track::host;
  }
  void note_origin(Stream& stream);
  void resolve(const std::function<void(const Event&)>& wait);

  Device device_;
  bool recording_ = false;
  int64_t step_ = 0;
  std::vector<Entry> entries_;   // of fixed capacity
  std::vector<Mark> marks_;      // of the same indices; empty on the CPU
  std::vector<Origin> origins_;  // empty on the CPU
  int64_t lost_ = 0;
};

}  // namespace swallow
