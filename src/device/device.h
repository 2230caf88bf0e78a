// Where memory lives and where work runs. A CPU stream executes at once on a fixed number of
// threads; a CUDA stream queues. This room knows bytes, not tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>

namespace swallow {

enum class DeviceKind : uint8_t { cpu, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;
  friend bool operator==(Device, Device) = default;
};

[[nodiscard]] std::string to_string(Device device);

class Stream;

/// A point in a stream's work, for other streams and the host to wait for. On the CPU, where work
/// is done at once, always passed.
class Event {
 public:
  explicit Event(Device device);

  /// Marks the end of what was launched on `stream` so far; forgets the point marked before.
  void record(Stream& stream);
  /// Returns when the marked work is done; at once when none was marked.
  void synchronize() const;
  /// Whether the marked work is done, without waiting; true when none was marked.
  [[nodiscard]] bool query() const;
  /// Milliseconds of device time from `start` to this; both must be recorded and done.
  [[nodiscard]] double ms_since(const Event& start) const;

 private:
  friend class Stream;
  struct Destroy {
    Device device;
    void operator()(void* event) const noexcept;
  };
  Device device_;
  std::unique_ptr<void, Destroy> event_;
};

/// An order of work on one device. Move-only; one per rank and purpose. Not thread-safe: a stream
/// belongs to the thread that launches on it.
class Stream {
 public:
  /// `num_threads`: worker threads of a CPU stream (>= 1); results never depend on it. Throws
  /// DeviceError where the build or the machine lacks the device.
  explicit Stream(Device device, int num_threads = 1);
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;
  ~Stream() = default;

  [[nodiscard]] Device device() const noexcept { return device_; }
  [[nodiscard]] int num_threads() const noexcept { return num_threads_; }

  /// The backend's queue (cudaStream_t), for cuda/ only; nullptr on a CPU stream.
  [[nodiscard]] void* queue() const noexcept { return queue_.get(); }

  /// Returns when all work launched so far is done. Immediate on a CPU stream.
  void synchronize() const;

  /// Work launched on this stream from now on starts after the event; the host does not wait.
  void wait(const Event& event);

  /// Per-stream state of a backend (library handles, primitive caches), made on first use, so that
  /// no backend needs a global. T must be default-constructible.
  template <class T>
  T& extension() {
    auto& slot = extensions_[std::type_index(typeid(T))];
    if (slot == nullptr) slot = std::shared_ptr<void>(std::make_shared<T>());
    return *static_cast<T*>(slot.get());
  }

 private:
  struct DestroyQueue {
    Device device;
    void operator()(void* queue) const noexcept;
  };

  Device device_;
  int num_threads_;
  std::unique_ptr<void, DestroyQueue> queue_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> extensions_;  // type-erased owners
};

/// Owns device memory, aligned to 256 bytes and filled with zero. Move-only.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device device, int64_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] Device device() const noexcept { return device_; }

 private:
  Device device_;
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// Host memory that a device copies from and to without the host's help: page-locked for a GPU.
/// Filled with zero. Move-only.
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(Device device, int64_t bytes);

  [[nodiscard]] std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }

 private:
  struct Release {
    Device device;
    void operator()(std::byte* data) const noexcept;
  };
  std::unique_ptr<std::byte, Release> data_{nullptr, Release{}};
  int64_t bytes_ = 0;
};

/// A named span of the host's time in a profiler's picture (NVTX), with the words of the training
/// step. Costs nothing to speak of while no profiler is attached; none without CUDA.
class TraceRange {
 public:
  explicit TraceRange(const char* name) noexcept;
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;
  ~TraceRange();
};

/// Opens and closes the window in which a profiler that was told to wait for it records
/// (`nsys profile -c cudaProfilerApi`). Nothing on the CPU.
void start_profiling(Device device);
void stop_profiling(Device device);

/// Copies `bytes`, not overlapping, in the order of the stream. On a CUDA stream either side may be
/// host memory: a host source may be reused on return unless it is a HostBuffer, which must stay as
/// it is until the copy is done; a host destination is valid after Stream::synchronize.
void copy_bytes(Stream& stream, void* destination, const void* source, int64_t bytes);

/// Sets `bytes` to zero.
void zero_bytes(Stream& stream, void* destination, int64_t bytes);

}  // namespace swallow
