// Every collective on every transport against a plain loop in rank order, bit for bit.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/dtype.h"
#include "comm/transports.h"

using namespace swallow;

namespace {

/// Values of very different size, so that another order of summation gives other bits.
template <class T>
std::vector<T> values_of(int rank, int64_t count) {
  std::mt19937_64 random(static_cast<uint64_t>(rank) + 1);
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<T, int64_t>) {
      values.push_back(static_cast<int64_t>(random() >> 4) - (int64_t{1} << 59));
    } else {
      const double mantissa = static_cast<double>(random() % 2000) - 1000.5;
      const double value = std::ldexp(mantissa, static_cast<int>(random() % 20) - 10);
      values.push_back(convert<T>(value));
    }
  }
  return values;
}

template <class T>
std::vector<T> reduced(int size, int64_t count, ReduceOp op) {
  using A = std::conditional_t<std::is_same_v<T, int64_t>, int64_t, Accumulate<T>>;
  std::vector<A> sums;
  for (int rank = 0; rank < size; ++rank) {
    const std::vector<T> values = values_of<T>(rank, count);
    for (size_t i = 0; i < values.size(); ++i) {
      const A value = convert<A>(values[i]);
      if (rank == 0)
        sums.push_back(value);
      else
        sums[i] = op == ReduceOp::sum ? sums[i] + value : std::max(sums[i], value);
    }
  }
  std::vector<T> result;
  for (const A sum : sums) result.push_back(convert<T>(sum));
  return result;
}

template <class T>
void expect_equal(const char* what, const World& world, const std::vector<T>& got,
                  const std::vector<T>& want, size_t want_begin = 0) {
  for (size_t i = 0; i < got.size(); ++i) {
    const T& expected = want[want_begin + i];
    expect(std::memcmp(&got[i], &expected, sizeof(T)) == 0,
           "{} {} over {} ranks: element {} of {} on rank {} is {}, want {}", what,
           name_of(kDTypeOf<T>), world.dp->size(), i, got.size(), world.rank,
           convert<double>(got[i]), convert<double>(expected));
  }
}

template <class T>
void check_all_reduce(World& world, int64_t count) {
  Stream stream(Device{});
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max}) {
    std::vector<T> values = values_of<T>(world.rank, count);
    world.dp->all_reduce(stream, tensor_of(values), op);
    expect_equal(op == ReduceOp::sum ? "sum" : "max", world, values,
                 reduced<T>(world.dp->size(), count, op));
  }
}

template <class T>
void check_reduce_scatter(World& world, int64_t count) {
  Stream stream(Device{});
  const int size = world.dp->size();
  const std::vector<T> want = reduced<T>(size, count * size, ReduceOp::sum);
  std::vector<T> input = values_of<T>(world.rank, count * size);
  std::vector<T> output(static_cast<size_t>(count));
  const size_t begin = static_cast<size_t>(world.rank) * output.size();
  world.dp->reduce_scatter(stream, tensor_of(output), tensor_of(input));
  expect_equal("reduce_scatter", world, output, want, begin);
  expect_equal("input of reduce_scatter", world, input, values_of<T>(world.rank, count * size));

  const Tensor whole = tensor_of(input);
  const Tensor slice = whole.rows(world.rank * count, (world.rank + 1) * count);
  world.dp->reduce_scatter(stream, slice, whole);
  copy(stream, tensor_of(output), slice);
  expect_equal("reduce_scatter in place", world, output, want, begin);
}

template <class T>
void check_copies(World& world, int64_t count) {
  Stream stream(Device{});
  const int size = world.dp->size();
  std::vector<T> want;
  for (int rank = 0; rank < size; ++rank)
    for (const T value : values_of<T>(rank, count)) want.push_back(value);

  std::vector<T> input = values_of<T>(world.rank, count);
  std::vector<T> output(want.size());
  world.dp->all_gather(stream, tensor_of(output), tensor_of(input));
  expect_equal("all_gather", world, output, want);

  std::vector<T> in_place(want.size());
  const Tensor slice = tensor_of(in_place).rows(world.rank * count, (world.rank + 1) * count);
  copy(stream, slice, tensor_of(input));
  world.dp->all_gather(stream, tensor_of(in_place), slice);
  expect_equal("all_gather in place", world, in_place, want);

  for (int root = 0; root < size; ++root) {
    std::vector<T> values = values_of<T>(world.rank, count);
    world.dp->broadcast(stream, tensor_of(values), root);
    expect_equal("broadcast", world, values, values_of<T>(root, count));
  }
}

template <class T>
void check_collectives(World& world, int64_t count) {
  check_all_reduce<T>(world, count);
  check_reduce_scatter<T>(world, count);
  check_copies<T>(world, count);
}

/// Sends `count` floats to both neighbours of a ring and receives as many from each.
void check_ring(World& world, int64_t count) {
  Stream stream(Device{});
  const int size = world.pp->size();
  const int next = (world.rank + 1) % size;
  const int previous = (world.rank + size - 1) % size;
  using Direction = Transfer::Direction;
  std::vector<float> up(static_cast<size_t>(count), static_cast<float>(world.rank));
  std::vector<float> down(up.size(), static_cast<float>(-world.rank));
  std::vector<float> from_previous(up.size(), -1);
  std::vector<float> from_next(up.size(), -1);
  // With two ranks both neighbours are one rank, and the order of listing must hold.
  const Transfer transfers[] = {{Direction::send, next, tensor_of(up)},
                                {Direction::send, previous, tensor_of(down)},
                                {Direction::receive, previous, tensor_of(from_previous)},
                                {Direction::receive, next, tensor_of(from_next)}};
  world.pp->exchange(stream, transfers);
  expect(from_previous == std::vector<float>(up.size(), static_cast<float>(previous)),
         "rank {} of {}: wrong data from rank {}", world.rank, size, previous);
  expect(from_next == std::vector<float>(up.size(), static_cast<float>(-next)),
         "rank {} of {}: wrong data from rank {}", world.rank, size, next);
}

}  // namespace

TEST_CASE("every collective gives the bits of a plain loop in rank order", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    for (const int size : {1, 2, 3, 4, 8}) {
      INFO(name_of(transport) << ", " << size << " ranks");
      REQUIRE_NOTHROW(run_over(transport, {.dp = size}, [](World& world) {
        for (const int64_t count : {0, 1, 7, 1021}) {
          check_collectives<float>(world, count);
          check_collectives<bfloat16>(world, count);
          check_collectives<double>(world, count);
          check_collectives<int64_t>(world, count);
        }
      }));
    }
  }
}

TEST_CASE("collectives larger than one step give the same bits", "[ranks][comm]") {
  // On three ranks: slices of unequal size, each longer than the 256 KiB of a step in f32.
  for (const Transport transport : kTransports) {
    INFO(name_of(transport));
    REQUIRE_NOTHROW(run_over(transport, {.dp = 3}, [](World& world) {
      check_all_reduce<float>(world, 200'003);
      check_all_reduce<bfloat16>(world, 50'021);
      check_all_reduce<int64_t>(world, 10'007);
      check_reduce_scatter<float>(world, 70'001);
      check_copies<float>(world, 70'001);
    }));
  }
}

TEST_CASE("a NaN of any rank makes the maximum NaN", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    for (int culprit = 0; culprit < 3; ++culprit) {
      INFO(name_of(transport) << ", NaN on rank " << culprit);
      REQUIRE_NOTHROW(run_over(transport, {.dp = 3}, [&](World& world) {
        Stream stream(Device{});
        std::vector<float> values{static_cast<float>(world.rank)};
        if (world.rank == culprit) values[0] = std::numeric_limits<float>::quiet_NaN();
        world.dp->all_reduce(stream, tensor_of(values), ReduceOp::max);
        expect(std::isnan(values[0]), "rank {} has {}", world.rank, values[0]);
      }));
    }
  }
}

TEST_CASE("ranks that send to each other at once do not block, whatever the size",
          "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    for (const int size : {2, 3, 8}) {
      INFO(name_of(transport) << ", " << size << " ranks");
      REQUIRE_NOTHROW(run_over(transport, {.pp = size}, [&](World& world) {
        for (const int64_t count : {0, 1, 1000}) check_ring(world, count);
        if (size < 4) check_ring(world, int64_t{2} << 20);  // 8 MiB: more than a socket holds
      }));
    }
  }
}

TEST_CASE("pairs of a group exchange without the others, in the order listed", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    INFO(name_of(transport));
    REQUIRE_NOTHROW(run_over(transport, {.pp = 4}, [](World& world) {
      if (world.rank >= 2) return world.pp->barrier();
      Stream stream(Device{});
      const auto direction =
          world.rank == 0 ? Transfer::Direction::send : Transfer::Direction::receive;
      std::vector<std::vector<int64_t>> data;
      std::vector<Transfer> transfers;
      for (size_t i = 0; i < 40; ++i)
        data.emplace_back(i + 1, world.rank == 0 ? static_cast<int64_t>(i) : -1);
      for (auto& values : data) transfers.push_back({direction, 1 - world.rank, tensor_of(values)});
      for (int round = 0; round < 3; ++round) world.pp->exchange(stream, transfers);
      for (size_t i = 0; i < data.size(); ++i)
        expect(data[i] == std::vector<int64_t>(i + 1, static_cast<int64_t>(i)),
               "rank {}: wrong data in transfer {}", world.rank, i);
      world.pp->barrier();
    }));
  }
}

TEST_CASE("arguments that contradict each other are refused before anything moves",
          "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    for (const int size : {1, 2}) {
      INFO(name_of(transport) << ", " << size << " ranks");
      REQUIRE_NOTHROW(run_over(transport, {.dp = size}, [](World& world) {
        Stream stream(Device{});
        std::vector<float> values(5);
        std::vector<int32_t> whole(5);
        const Transfer to_self{Transfer::Direction::send, world.rank, tensor_of(values)};
        const std::function<void()> wrong[] = {
            [&] { world.dp->all_reduce(stream, tensor_of(whole), ReduceOp::sum); },
            [&] {
              world.dp->reduce_scatter(stream, tensor_of(values).rows(0, 1), tensor_of(values));
            },
            [&] { world.dp->all_gather(stream, tensor_of(values), tensor_of(whole)); },
            [&] { world.dp->broadcast(stream, tensor_of(values), world.dp->size()); },
            [&] {
              world.dp->exchange(stream, {&to_self, 1});
            }};
        for (const auto& call : wrong) {
          bool refused = false;
          try {
            call();
          } catch (const ContractError&) {
            refused = true;
          }
          expect(refused, "rank {} was allowed call {}", world.rank, &call - wrong);
        }
        world.dp->barrier();
      }));
    }
  }
}
