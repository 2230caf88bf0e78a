#include "bench/device_check.h"

#include <algorithm>
#include <limits>

#include "base/content_hash.h"
#include "bench/op_tensors.h"
#include "bench/record.h"
#include "bench/timing.h"
#include "kernels/gemm.h"

namespace swallow {

namespace {

// Long enough that a device which stops now and then shows it, and that the scheduling of ranks
// that share cores evens out.
constexpr double kPassMs = 500;
constexpr int kPasses = 2;
constexpr int kHashedRepeats = 3;

/// Milliseconds of a call.
struct CallTime {
  double mean = 0;
  double best = 0;
};

/// Calls follow each other for a pass. They are timed in parts, for which the device is waited for.
template <class Work>
CallTime time_pass(Stream& stream, int calls_in_part, const Work& work) {
  Stopwatch watch(stream);
  CallTime time{.best = std::numeric_limits<double>::infinity()};
  double total = 0;
  int parts = 0;
  for (; parts == 0 || total < kPassMs; ++parts) {
    watch.start();
    for (int i = 0; i < calls_in_part; ++i) work();
    const double ms = watch.stop_ms();
    total += ms;
    time.best = std::min(time.best, ms / calls_in_part);
  }
  time.mean = total / (static_cast<double>(parts) * calls_in_part);
  return time;
}

class Check {
 public:
  Check(Stream& stream, int rank, const std::function<void()>& begin_together)
      : stream_(stream),
        rank_(rank),
        begin_together_(begin_together),
        device_(device_name(stream.device())),
        random_(stream) {}

  /// c = a b^T of random square matrices: the bound is the device's arithmetic.
  void product(DType dtype) {
    const int64_t size = !on_gpu() ? 512 : dtype == DType::bf16 ? 8192 : 4096;
    RandomFill random(stream_);  // of its own: every rank begins with the same numbers
    OpTensors tensors(stream_, random);
    const Gemm op{.a = tensors.normal(dtype, {size, size}),
                  .b = tensors.normal(dtype, {size, size}),
                  .c = tensors.scratch(dtype, {size, size}),
                  .workspace = tensors.gemm_workspace(),
                  .transpose_b = Transpose::yes};
    const auto n = static_cast<double>(size);
    const std::string what = fmt::format("product {}", name_of(dtype));
    add(what, "TFLOPS", 2 * n * n * n / 1e9, [&] { launch(stream_, op); });
    std::string first;
    for (int i = 0; i < kHashedRepeats; ++i) {
      launch(stream_, op);
      const std::string hash = hash_of(op.c);
      if (first.empty()) first = hash;
      if (hash != first) return wrong(what + " gives other bits when it is repeated");
    }
    found_.hashes[fmt::format("{} on {}", what, device_)] = first;
  }

  /// Reads and writes much more than any cache holds.
  void memory() {
    const int64_t bytes = int64_t{on_gpu() ? 1024 : 64} << 20;
    OpTensors tensors(stream_, random_);
    const Tensor from = tensors.normal(DType::f32, {bytes / 4});
    const Tensor to = tensors.scratch(DType::f32, {bytes / 4});
    add("memory", "GB/s", 2 * static_cast<double>(bytes) / 1e6, [&] { copy(stream_, to, from); });
    if (hash_of(to) != hash_of(from)) wrong("a copy within the memory differs from its source");
  }

  /// From page-locked memory of the host to the device and back.
  void host_copies() {
    if (!on_gpu()) return;
    constexpr int64_t kBytes = int64_t{64} << 20;
    OpTensors tensors(stream_, random_);
    const Tensor on_device = tensors.normal(DType::f32, {kBytes / 4});
    const HostBuffer buffer(stream_.device(), kBytes);
    const Tensor on_host{buffer.data(), DType::f32, {kBytes / 4}, Device{}};
    const std::string sent = hash_of(on_device);
    const double megabytes = static_cast<double>(kBytes) / 1e6;
    add("device to host", "GB/s", megabytes, [&] { copy(stream_, on_host, on_device); });
    add("host to device", "GB/s", megabytes, [&] { copy(stream_, on_device, on_host); });
    if (hash_of(on_device) != sent) wrong("what went to the host and back has changed");
  }

  [[nodiscard]] DeviceCheck found() && { return std::move(found_); }

 private:
  [[nodiscard]] bool on_gpu() const { return stream_.device().kind == DeviceKind::cuda; }

  /// A reading of `per_ms` over the milliseconds of one call.
  template <class Work>
  void add(const std::string& what, const char* unit, double per_ms, const Work& work) {
    work();  // loads modules, makes handles
    stream_.synchronize();
    Reading reading{.what = what, .unit = unit, .among = device_, .ranks = {rank_}};
    for (int pass = 0; pass < kPasses; ++pass) {
      begin_together_();
      const CallTime time = time_pass(stream_, on_gpu() ? 8 : 1, work);
      reading.value = std::max(reading.value, per_ms / time.mean);
      reading.best = std::max(reading.best, per_ms / time.best);
    }
    found_.readings.push_back(std::move(reading));
  }

  void wrong(std::string what) { found_.wrong.push_back({std::move(what), {rank_}}); }

  [[nodiscard]] std::string hash_of(const Tensor& tensor) {
    const Buffer host(Device{}, tensor.bytes());
    copy_bytes(stream_, host.data(), tensor.data, tensor.bytes());
    stream_.synchronize();
    return content_hash({host.data(), static_cast<size_t>(tensor.bytes())});
  }

  Stream& stream_;
  int rank_;
  const std::function<void()>& begin_together_;
  std::string device_;
  RandomFill random_;
  DeviceCheck found_;
};

}  // namespace

DeviceCheck check_device(Stream& stream, int rank, const std::function<void()>& begin_together) {
  Check check(stream, rank, begin_together);
  check.product(DType::bf16);
  check.product(DType::f32);
  check.memory();
  check.host_copies();
  return std::move(check).found();
}

}  // namespace swallow
