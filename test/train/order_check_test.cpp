// A longer run may go on where its samples keep their order, and is refused by name where they do
// not.
#include "train/order_check.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/fixtures.h"
#include "support/tiny_model.h"

using namespace swallow;
using swallow::test::message_of;

namespace {

using Strings = std::vector<std::string>;

/// A run over one file of 3029 tokens, resumed after 3 of 6 steps of 8 samples.
struct Resume {
  Resume() {
    test::write_dataset(folder / "a", test::uneven_lengths(64));
    config.model.seq_length = 16;
    config.training.global_batch_size = 8;
    config.training.train_iters = 6;
    config.training.eval_interval = 3;
    config.training.eval_iters = 1;
    config.data = {.data_path = {folder / "a"}, .split = "60,40,0"};
    config.checkpoint.load = "run";
    start = {
        .checkpoint = 3, .iteration = 3, .consumed_samples = 24, .saved_training = config.training};
  }
  Strings check() {
    FileList files;
    return require_same_order(config, start, files);
  }

  test::TemporaryFolder folder;
  RunConfig config = tiny_config();
  StartPoint start;
};

}  // namespace

TEST_CASE("a longer run within the same epochs goes on without a word", "[unit][data][resume]") {
  Resume resume;
  REQUIRE(resume.check().empty());
  resume.config.training.train_iters = 8;
  REQUIRE(resume.check().empty());
  resume.start = {};
  resume.config.training.train_iters = 1000;
  REQUIRE(resume.check().empty());  // nothing is resumed
}

TEST_CASE("a longer run that needs other epochs is refused unless it is accepted",
          "[unit][data][resume]") {
  Resume resume;
  resume.config.training.train_iters = 20;
  const std::string where = resume.folder / "a";
  REQUIRE(message_of<CheckpointError>([&] { (void)resume.check(); }) ==
          "--load run: the run would go on in another order of samples than it began with:\n"
          "  train_iters: saved 6, now 20\n"
          "  train samples of " +
              where +
              ": 1 epoch, now 2 epochs, the last one apart\n"
              "expected the same values, or --accept-change train_iters to go on in the new order, "
              "where some samples may come twice or never");
  resume.config.checkpoint.accept_change = "train-iters";
  REQUIRE(resume.check() ==
          Strings{"--accept-change train_iters: 6 -> 20: train samples of " + where +
                  ": 1 epoch, now 2 epochs, the last one apart; some may come twice or never"});
  resume.config.training.train_iters = 7;
  REQUIRE(resume.check() == Strings{"--accept-change train_iters: not needed, the order of samples "
                                    "does not change with it"});
}

TEST_CASE("more validation samples than an epoch holds change their order",
          "[unit][data][resume]") {
  Resume resume;
  resume.config.training.eval_iters = 4;
  resume.config.training.eval_interval = 2;
  REQUIRE_THAT(
      message_of<CheckpointError>([&] { (void)resume.check(); }),
      Catch::Contains("eval_interval: saved 3, now 2\n  eval_iters: saved 1, now 4\n  valid "
                      "samples of ") &&
          Catch::Contains("--accept-change eval_interval,eval_iters "));
}

TEST_CASE("an accepted batch is compared with itself", "[unit][data][resume]") {
  // What another batch does to the order is said where the batch is accepted.
  Resume resume;
  resume.config.training.global_batch_size = 64;
  REQUIRE(resume.check().empty());
}
