#include "comm/device_choice.h"

#include <catch2/catch.hpp>

using namespace swallow;
using Catch::Matchers::Contains;

TEST_CASE("a rank takes the GPU with its number, or the only one that it sees", "[unit][comm]") {
  for (const CommBackend backend :
       {CommBackend::automatic, CommBackend::nccl, CommBackend::host, CommBackend::sockets}) {
    CHECK(choose_device({.rank = 0, .size = 1, .num_visible = 8}, backend).index == 0);
    for (int rank = 0; rank < 8; ++rank) {
      const Device device = choose_device({rank, 8, 8}, backend);
      CHECK(device == Device{DeviceKind::cuda, rank});
      CHECK(choose_device({rank, 8, 1}, backend).index == 0);  // as srun --gpus-per-task=1 does
    }
    CHECK(choose_device({.rank = 1, .size = 2, .num_visible = 4}, backend).index == 1);
  }
}

TEST_CASE("ranks share GPUs in turn only when that was asked for", "[unit][comm]") {
  for (int rank = 0; rank < 5; ++rank)
    for (const CommBackend backend : {CommBackend::host, CommBackend::sockets})
      CHECK(choose_device({rank, 5, 2}, backend).index == rank % 2);
  for (const CommBackend backend : {CommBackend::automatic, CommBackend::nccl})
    CHECK_THROWS_WITH(choose_device({2, 5, 2}, backend),
                      Contains("5 ranks") && Contains("2 GPUs") && Contains("--comm host"));
  CHECK_THROWS_AS(choose_device({.rank = 0, .size = 1, .num_visible = 0}, CommBackend::host),
                  ConfigError);
}

TEST_CASE("ranks that share a GPU are named", "[unit][comm]") {
  CHECK_NOTHROW(refuse_shared_devices({"GPU-a", "GPU-b", "GPU-c"}));
  CHECK_THROWS_AS(refuse_shared_devices({"GPU-a", "GPU-a"}), ConfigError);
  CHECK_THROWS_WITH(
      refuse_shared_devices({"GPU-a", "GPU-b", "GPU-a", "GPU-c", "GPU-c"}),
      Contains("ranks 0, 2 share GPU-a; ranks 3, 4 share GPU-c") && Contains("--comm host"));
}
