#include "bench/link_check.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <mutex>
#include <optional>
#include <set>

#include "bench/pairing.h"
#include "support/ranks.h"

using namespace swallow;

namespace {

/// A group one of whose ranks has a defect: the first number of what it gets is one too large.
class Defect final : public Communicator {
 public:
  enum class In : uint8_t { sums, slices, gathers, messages };
  Defect(std::unique_ptr<Communicator> inner, In in) : inner_(std::move(inner)), in_(in) {}

  [[nodiscard]] int rank() const noexcept override { return inner_->rank(); }
  [[nodiscard]] int size() const noexcept override { return inner_->size(); }
  void all_reduce(Stream& stream, const Tensor& tensor, ReduceOp op) override {
    inner_->all_reduce(stream, tensor, op);
    spoil(In::sums, tensor);
  }
  void reduce_scatter(Stream& stream, const Tensor& output, const Tensor& input) override {
    inner_->reduce_scatter(stream, output, input);
    spoil(In::slices, output);
  }
  void all_gather(Stream& stream, const Tensor& output, const Tensor& input) override {
    inner_->all_gather(stream, output, input);
    spoil(In::gathers, output);
  }
  void broadcast(Stream& stream, const Tensor& tensor, int root) override {
    inner_->broadcast(stream, tensor, root);
  }
  void exchange(Stream& stream, std::span<const Transfer> transfers) override {
    inner_->exchange(stream, transfers);
    for (const Transfer& transfer : transfers)
      if (transfer.direction == Transfer::Direction::receive) spoil(In::messages, transfer.tensor);
  }
  void barrier() override { inner_->barrier(); }
  void abort(std::string_view reason) noexcept override { inner_->abort(reason); }

 private:
  void spoil(In in, const Tensor& tensor) const {
    if (in == in_ && tensor.dtype == DType::f32) tensor.as<float>()[0] += 1;
  }

  std::unique_ptr<Communicator> inner_;
  In in_;
};

/// What all ranks found, with `defect` in the DP group of rank 2 where it is given.
LinkCheck check(GridShape grid, std::optional<Defect::In> defect = std::nullopt) {
  LinkCheck all;
  std::mutex mutex;
  HostMap hosts;  // of two ranks each
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    hosts.node_of_rank.push_back(rank / 2);
    if (rank % 2 == 0) hosts.host_names.push_back("host");
  }
  run_ranks(grid, [&](World& world) {
    if (defect && world.rank == 2)
      world.dp = std::make_unique<Defect>(std::move(world.dp), *defect);
    Stream stream{Device{}};
    const LinkCheck own = check_links(world, hosts, stream);
    const std::lock_guard lock(mutex);
    all.readings.insert(all.readings.end(), own.readings.begin(), own.readings.end());
    all.wrong.insert(all.wrong.end(), own.wrong.begin(), own.wrong.end());
  });
  return all;
}

int64_t count(const LinkCheck& found, const std::string& what, const std::string& among) {
  return std::count_if(found.readings.begin(), found.readings.end(), [&](const Reading& reading) {
    return reading.what == what && reading.among == among;
  });
}

}  // namespace

TEST_CASE("in the rounds every pair meets once and nobody twice in a round", "[unit]") {
  for (const int size : {1, 2, 3, 4, 5, 8, 17, 64}) {
    INFO(size << " ranks");
    const auto rounds = pairing_rounds(size, 1000);
    std::set<std::pair<int, int>> met;
    for (const auto& partners : rounds) {
      int left_over = 0;
      for (int rank = 0; rank < size; ++rank) {
        const int partner = partners[static_cast<size_t>(rank)];
        if (partner < 0) {
          ++left_over;
          continue;
        }
        REQUIRE(partner < size);
        REQUIRE(partner != rank);
        REQUIRE(partners[static_cast<size_t>(partner)] == rank);
        if (rank < partner) REQUIRE(met.insert({rank, partner}).second);
      }
      REQUIRE(left_over == size % 2);
    }
    CHECK(met.size() == static_cast<size_t>(size * (size - 1) / 2));
  }
  CHECK(pairing_rounds(256, 64).size() == 64);
  CHECK(pairing_rounds(256, 64)[0] != pairing_rounds(256, 64)[1]);
}

TEST_CASE("every pair and group of a grid is measured, once", "[ranks]") {
  const LinkCheck one = check({4, 1, 1});
  CHECK(one.wrong.empty());
  CHECK(count(one, "pair, DP group", "within a host") == 2);
  CHECK(count(one, "pair, DP group", "between hosts") == 4);
  CHECK(count(one, "pair of 8 bytes, DP group", "between hosts") == 4);
  for (const char* what :
       {"all-reduce, DP group", "reduce-scatter, DP group", "all-gather, DP group"})
    CHECK(count(one, what, "groups") == 1);
  CHECK(one.readings.size() == 15);
  for (const Reading& reading : one.readings) {
    CHECK(reading.value > 0);
    CHECK((reading.less_is_better ? reading.best <= reading.value : reading.best >= reading.value));
  }

  const LinkCheck grid = check({2, 2, 2});
  CHECK(grid.wrong.empty());
  for (const char* axis : {"TP", "DP", "PP"}) {
    const std::string group = fmt::format("{} group", axis);
    const bool near = group == "TP group";
    CHECK(count(grid, "pair, " + group, near ? "within a host" : "between hosts") == 4);
    CHECK(count(grid, "all-reduce, " + group, "groups") == 4);
  }
  CHECK(count(grid, "all-reduce, all ranks", "groups") == 1);
  CHECK(check({1, 1, 1}).readings.empty());
}

TEST_CASE("wrong sums and changed messages are found at the rank that got them", "[ranks]") {
  using In = Defect::In;
  for (const In in : {In::sums, In::slices}) {
    const LinkCheck found = check({3, 1, 1}, in);
    REQUIRE(found.wrong.size() == 1);
    CHECK(found.wrong[0].ranks == std::vector{2});
    CHECK_THAT(found.wrong[0].what, Catch::Contains("gave rank 2 a wrong sum"));
  }
  const LinkCheck gathered = check({3, 1, 1}, In::gathers);
  REQUIRE(gathered.wrong.size() == 1);
  CHECK(gathered.wrong[0].ranks == std::vector{0, 2});
  const LinkCheck messages = check({3, 1, 1}, In::messages);
  REQUIRE(messages.wrong.size() == 2);  // from either partner
  for (const WrongResult& wrong : messages.wrong)
    CHECK_THAT(wrong.what, Catch::Contains("what rank 2 received from rank"));
}
