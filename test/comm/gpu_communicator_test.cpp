// Collectives on device memory: staged through the host, with the host transport's bits, and over
// NCCL, whose order of summation is its own, so that values are integers whose sums are exact.
#include <cstring>
#include <numeric>
#include <random>

#include "comm/gpu_transports.h"

using namespace swallow;

namespace {

using test::find_gpu;

/// Integers; sums of eight of them are exact in bf16.
template <class T>
std::vector<T> values_of(int rank, int64_t count) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<int>((7 * i + 11 * rank) % 31) - 15;
    if constexpr (std::is_same_v<T, int64_t>)
      values.push_back(value);
    else
      values.push_back(convert<T>(static_cast<float>(value)));
  }
  return values;
}

template <class T>
double as_double(T value) {
  if constexpr (std::is_same_v<T, int64_t>)
    return static_cast<double>(value);
  else
    return convert<double>(value);
}

template <class T>
std::vector<double> reduced(int size, int64_t count, ReduceOp op) {
  std::vector<double> result(static_cast<size_t>(count), op == ReduceOp::sum ? 0 : -1e9);
  for (int rank = 0; rank < size; ++rank) {
    const auto values = values_of<T>(rank, count);
    for (size_t i = 0; i < result.size(); ++i) {
      const double value = as_double(values[i]);
      result[i] = op == ReduceOp::sum ? result[i] + value : std::max(result[i], value);
    }
  }
  return result;
}

template <class T>
void expect_equal(const char* what, const std::vector<T>& got, const std::vector<double>& want,
                  size_t want_begin = 0) {
  for (size_t i = 0; i < got.size(); ++i)
    expect(as_double(got[i]) == want[want_begin + i], "{} of {} {}: element {} is {}, want {}",
           what, got.size(), name_of(kDTypeOf<T>), i, as_double(got[i]), want[want_begin + i]);
}

template <class T>
void check_collectives(World& world, Stream& stream, int64_t count) {
  Communicator& group = *world.dp;
  const int size = group.size();
  const auto begin = static_cast<size_t>(world.rank * count);
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max}) {
    OnDevice<T> values(stream, values_of<T>(world.rank, count));
    group.all_reduce(stream, values.tensor(), op);
    expect_equal("all_reduce", values.get(world, stream), reduced<T>(size, count, op));
  }

  const auto sums = reduced<T>(size, count * size, ReduceOp::sum);
  OnDevice<T> input(stream, values_of<T>(world.rank, count * size));
  OnDevice<T> output(stream, std::vector<T>(static_cast<size_t>(count)));
  const Tensor slice = input.tensor().rows(world.rank * count, (world.rank + 1) * count);
  group.reduce_scatter(stream, output.tensor(), input.tensor());
  expect_equal("reduce_scatter", output.get(world, stream), sums, begin);
  group.reduce_scatter(stream, slice, input.tensor());
  copy(stream, output.tensor(), slice);
  expect_equal("reduce_scatter in place", output.get(world, stream), sums, begin);

  // Every rank's slice of `input` is its part of the sums now.
  group.all_gather(stream, input.tensor(), slice);
  expect_equal("all_gather in place", input.get(world, stream), sums);
  OnDevice<T> gathered(stream, std::vector<T>(static_cast<size_t>(count * size)));
  group.all_gather(stream, gathered.tensor(), output.tensor());
  expect_equal("all_gather", gathered.get(world, stream), sums);

  for (int root = 0; root < size; ++root) {
    OnDevice<T> values(stream, values_of<T>(world.rank, count));
    group.broadcast(stream, values.tensor(), root);
    std::vector<double> want;
    for (const T value : values_of<T>(root, count)) want.push_back(as_double(value));
    expect_equal("broadcast", values.get(world, stream), want);
  }
}

void check_all_types(World& world, Stream& stream) {
  for (const int64_t count : {0, 1, 7, 1021}) {
    check_collectives<float>(world, stream, count);
    check_collectives<bfloat16>(world, stream, count);
  }
  check_collectives<double>(world, stream, 33);
  check_collectives<int64_t>(world, stream, 33);
  world.dp->barrier();
}

/// Sends to both neighbours of a ring and receives from each.
void check_ring(World& world, Stream& stream, int64_t count) {
  const int size = world.pp->size();
  const int next = (world.rank + 1) % size;
  const int previous = (world.rank + size - 1) % size;
  using Direction = Transfer::Direction;
  const auto filled = [&](float value) {
    return std::vector<float>(static_cast<size_t>(count), value);
  };
  OnDevice<float> up(stream, filled(static_cast<float>(world.rank)));
  OnDevice<float> down(stream, filled(static_cast<float>(-world.rank)));
  OnDevice<float> from_previous(stream, filled(-100));
  OnDevice<float> from_next(stream, filled(-100));
  // With two ranks both neighbours are one rank, and the order of listing must hold.
  const Transfer transfers[] = {{Direction::send, next, up.tensor()},
                                {Direction::send, previous, down.tensor()},
                                {Direction::receive, previous, from_previous.tensor()},
                                {Direction::receive, next, from_next.tensor()}};
  world.pp->exchange(stream, transfers);
  expect(from_previous.get(world, stream) == filled(static_cast<float>(previous)) &&
             from_next.get(world, stream) == filled(static_cast<float>(-next)),
         "rank {} of {}: wrong data from a neighbour", world.rank, size);
}

}  // namespace

TEST_CASE("every collective on device memory agrees with a plain loop", "[cuda][comm]") {
  if (!find_gpu("collectives on device memory")) return;
  for (const GpuTransport transport : kGpuTransports) {
    for (const int size : {1, 2, 3, 8}) {
      INFO(name_of(transport) << ", " << size << " ranks");
      if (!can_run(transport, size)) continue;
      REQUIRE_NOTHROW(run_over({.transport = transport, .shape = {.dp = size}}, check_all_types));
    }
  }
}

TEST_CASE("staging in small pieces changes nothing", "[cuda][comm]") {
  if (!find_gpu("staging in pieces")) return;
  const GpuTransport transport = GpuTransport::staged_threads;
  REQUIRE_NOTHROW(run_over({.transport = transport, .shape = {.dp = 3}, .staging_bytes = 100},
                           check_all_types));
  REQUIRE_NOTHROW(run_over({.transport = transport, .shape = {.pp = 3}, .staging_bytes = 4096},
                           [](World& world, Stream& stream) { check_ring(world, stream, 5000); }));
}

TEST_CASE("staged sums have the bits of the host transport", "[cuda][comm]") {
  if (!find_gpu("bits of staged sums")) return;
  constexpr int kSize = 3;
  constexpr size_t kCount = 4099;
  const auto input_of = [](int rank) {
    std::mt19937 random(static_cast<unsigned>(rank) + 1);
    std::normal_distribution<float> normal(0, 100);
    std::vector<float> values(kCount);
    for (float& value : values) value = normal(random);
    return values;
  };
  std::vector<float> want;
  run_ranks({.dp = kSize}, [&](World& world) {
    Stream stream(Device{});
    std::vector<float> values = input_of(world.rank);
    world.dp->all_reduce(stream, tensor_of(values), ReduceOp::sum);
    if (world.rank == 0) want = values;
  });
  const GpuJob job{
      .transport = GpuTransport::staged_threads, .shape = {.dp = kSize}, .staging_bytes = 1000};
  REQUIRE_NOTHROW(run_over(job, [&](World& world, Stream& stream) {
    OnDevice<float> values(stream, input_of(world.rank));
    world.dp->all_reduce(stream, values.tensor(), ReduceOp::sum);
    const auto& got = values.get(world, stream);
    expect(std::memcmp(got.data(), want.data(), kCount * sizeof(float)) == 0, "other bits");
  }));
}

TEST_CASE("GPUs send to each other at once, whatever the size", "[cuda][comm]") {
  if (!find_gpu("exchange between GPUs")) return;
  for (const GpuTransport transport : kGpuTransports) {
    for (const int size : {2, 3, 8}) {
      INFO(name_of(transport) << ", " << size << " ranks");
      if (!can_run(transport, size)) continue;
      REQUIRE_NOTHROW(run_over({.transport = transport, .shape = {.pp = size}},
                               [](World& world, Stream& stream) {
                                 for (const int64_t count : {0, 1, 1000})
                                   check_ring(world, stream, count);
                               }));
    }
  }
}

TEST_CASE("groups of all axes work side by side, on streams of their own", "[cuda][comm]") {
  if (!find_gpu("groups on several streams")) return;
  const GridShape shape{.dp = 2, .tp = 2, .pp = 2};
  for (const GpuTransport transport : kGpuTransports) {
    INFO(name_of(transport));
    if (!can_run(transport, shape.world_size())) continue;
    REQUIRE_NOTHROW(run_over({.transport = transport, .shape = shape}, [&](World& world,
                                                                           Stream& stream) {
      OnDevice<int64_t> sum(stream, {int64_t{1} << world.rank});
      world.all_reduce_world(stream, sum.tensor(), ReduceOp::sum);
      expect(sum.get(world, stream)[0] == 255, "rank {}: wrong sum", world.rank);

      Stream other(stream.device());
      Event reduced(stream.device());
      OnDevice<int64_t> mine(stream, {world.rank});
      OnDevice<int64_t> all(other, {-1, -1});
      world.tp->all_reduce(stream, mine.tensor(), ReduceOp::sum);
      reduced.record(stream);
      other.wait(reduced);
      world.dp->all_gather(other, all.tensor(), mine.tensor());
      const ProcessGrid grid(shape);
      std::vector<int64_t> want;
      for (const int rank : grid.dp_group(world.rank)) {
        const auto members = grid.tp_group(rank);
        want.push_back(std::accumulate(members.begin(), members.end(), int64_t{0}));
      }
      expect(all.get(world, other) == want, "rank {}: wrong sums of the other group", world.rank);
    }));
  }
}

TEST_CASE("tensors in host memory pass staging by and are refused by NCCL", "[cuda][comm]") {
  if (!find_gpu("host tensors on a GPU's communicator")) return;
  for (const GpuTransport transport : kGpuTransports) {
    INFO(name_of(transport));
    if (!can_run(transport, 2)) continue;
    REQUIRE_NOTHROW(run_over({.transport = transport, .shape = {.dp = 2}}, [&](World& world,
                                                                               Stream& stream) {
      std::vector<float> values{1, 2, 3};
      bool refused = false;
      try {
        world.dp->all_reduce(stream, tensor_of(values), ReduceOp::sum);
      } catch (const ContractError&) {
        refused = true;
      }
      expect(refused == (transport == GpuTransport::nccl), "rank {}: refused {}", world.rank,
             refused);
      expect(refused || values == std::vector<float>{2, 4, 6}, "rank {}: wrong sum", world.rank);
      OnDevice<float> on_device(stream, {1, 2, 3, 4});
      const Tensor tensor = on_device.tensor();
      for (const bool gathers : {true, false}) {
        bool overlap_refused = false;
        try {  // a slice that is not the rank's own, or half on the host
          const Tensor slice = gathers ? tensor_of(values).rows(0, 2) : tensor.rows(1, 3);
          if (gathers || transport != GpuTransport::nccl)
            world.dp->all_gather(stream, tensor, tensor_of(values).rows(0, 2));
          else
            world.dp->reduce_scatter(stream, slice, tensor);
        } catch (const ContractError&) {
          overlap_refused = true;
        }
        expect(overlap_refused, "rank {}: allowed", world.rank);
      }
      world.dp->barrier();
    }));
  }
}

TEST_CASE("an event can be asked until its work is done", "[cuda][device]") {
  const auto gpu = find_gpu("asking an event");
  if (!gpu) return;
  Stream stream(*gpu);
  Event event(*gpu);
  CHECK(event.query());  // nothing is marked
  OnDevice<float> values(stream, std::vector<float>(1 << 20, 3.0F));
  event.record(stream);
  while (!event.query()) {
  }
  CHECK(event.query());
  const Event on_host{Device{}};
  CHECK(on_host.query());
}
