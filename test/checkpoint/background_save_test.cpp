// A save from a copy, by a thread: the bytes are those at the moment of the copy, and nothing is
// left of one that is given up.
#include "checkpoint/background_save.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "checkpoint/iteration_folder.h"
#include "checkpoint/snapshot.h"
#include "checkpoint/tiny_job.h"

using namespace swallow;
using namespace swallow::test;

namespace {

const TinyGrid kGrid{2, 2, 1, true};
const std::vector<std::string> kFine(4);

/// Starts a save of `mine` in the background, as Saver does.
std::unique_ptr<BackgroundSave> start(const std::string& folder, int64_t iteration, TinyRank& mine,
                                      Snapshot& snapshot, ControlPlane& control) {
  auto save = std::make_unique<CheckpointSave>(folder, tiny_state(kGrid, iteration), mine.tensors(),
                                               control);
  return std::make_unique<BackgroundSave>(std::move(save), snapshot.take(mine.tensors()), control);
}

}  // namespace

TEST_CASE("a save in the background holds the state at its begin", "[ranks]") {
  const ScratchFolder scratch;
  REQUIRE(run_job(kGrid, [&](int rank, ControlPlane& control) {
            TinyRank mine(kGrid, rank);
            Snapshot snapshot(mine.tensors());
            for (const int64_t iteration : {10, 20}) {  // the copy's memory is used again
              mine.fill();
              const auto save = start(scratch / "run", iteration, mine, snapshot, control);
              mine.spoil();  // the next step
              if (save->commit() == 0) throw IoError("nothing was written");
            }
          }) == kFine);
  CHECK(committed_iterations(scratch / "run") == std::vector<int64_t>{20, 10});
  for (const int64_t iteration : {10, 20}) {
    std::vector<int> equal(4);
    REQUIRE(load_tiny(scratch / "run", kGrid, iteration, LoadScope::everything,
                      [&](TinyRank& mine, int rank) {
                        TinyRank expected(kGrid, rank);
                        expected.fill();
                        equal[static_cast<size_t>(rank)] = mine == expected ? 1 : 0;
                      }) == kFine);
    CHECK(equal == std::vector<int>(4, 1));
  }
}

TEST_CASE("a save in the background that is given up leaves the checkpoint before it", "[ranks]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "run", kGrid, 10) == kFine);
  REQUIRE(run_job(kGrid, [&](int rank, ControlPlane& control) {
            TinyRank mine(kGrid, rank);
            mine.fill();
            Snapshot snapshot(mine.tensors());
            const auto save = start(scratch / "run", 20, mine, snapshot, control);
          }) == kFine);
  CHECK(committed_iterations(scratch / "run") == std::vector<int64_t>{10});
  REQUIRE(save_tiny(scratch / "run", kGrid, 30) == kFine);  // clears what may be left
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "run"))
    CHECK(entry.path().extension() != ".tmp-1");
}

TEST_CASE("a write that fails in the background is the error of the commit on all ranks",
          "[ranks]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "run", kGrid, 10) == kFine);
  const auto errors = run_job(kGrid, [&](int rank, ControlPlane& control) {
    TinyRank mine(kGrid, rank);
    mine.fill();
    Snapshot snapshot(mine.tensors());
    CheckpointSave unwritable(scratch / "run", tiny_state(kGrid, 20), mine.tensors(), control);
    // Somebody takes the folder away.
    if (rank == 0) std::filesystem::remove_all(scratch.path() / "run" / "iter_0000020.tmp-1");
    control.barrier();
    unwritable.write(snapshot.take(mine.tensors()), false);
    unwritable.commit();
  });
  for (const std::string& error : errors)
    CHECK_THAT(error, Catch::StartsWith("74: rank 0: ") && Catch::Contains("cannot create") &&
                          Catch::Contains("3 more ranks"));
  CHECK(committed_iterations(scratch / "run") == std::vector<int64_t>{10});
}
