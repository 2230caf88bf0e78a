#include "data/ordered_pool.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <stdexcept>

using swallow::OrderedPool;

TEST_CASE("jobs come back in the order they went in", "[unit][data]") {
  for (const int workers : {1, 2, 7}) {
    OrderedPool<int> pool(workers, [workers](int& job, int worker) {
      if (worker < 0 || worker >= workers) throw std::out_of_range("worker");
      std::this_thread::sleep_for(
          std::chrono::microseconds(job * 37 % 200));  // finish out of order
      job = job * job;
    });
    int next = 0;
    for (int i = 0; i < 300; ++i) {
      pool.submit(std::make_unique<int>(i));
      if (pool.size() >= 11) {
        REQUIRE(*pool.take() == next * next);
        ++next;
      }
    }
    for (; pool.size() > 0; ++next) REQUIRE(*pool.take() == next * next);
    REQUIRE(next == 300);
  }
}

TEST_CASE("what a job throws is thrown where it is taken", "[unit][data]") {
  OrderedPool<int> pool(3, [](int& job, int /*worker*/) {
    if (job == 5) throw std::runtime_error("five");
  });
  for (int i = 0; i < 10; ++i) pool.submit(std::make_unique<int>(i));
  for (int i = 0; i < 10; ++i) {
    if (i == 5) {
      REQUIRE_THROWS_WITH(pool.take(), "five");
    } else {
      REQUIRE(*pool.take() == i);
    }
  }
}

TEST_CASE("a pool may be destroyed with work left", "[unit][data]") {
  OrderedPool<int> pool(2, [](int&, int) {});
  for (int i = 0; i < 50; ++i) pool.submit(std::make_unique<int>(i));
}
