#include "data/datasets.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/batch_loader.h"
#include "data/blended_dataset.h"
#include "data/fixtures.h"
#include "data/gpt_dataset.h"
#include "data/split.h"

using swallow::ConfigError;
using swallow::DataError;
using swallow::DataOptions;
using swallow::Datasets;
using swallow::open_datasets;
using swallow::test::message_of;
using swallow::test::TemporaryFolder;

namespace {

DataOptions some_options() {
  DataOptions options;
  options.split = "90,10";
  options.seq_length = 16;
  options.global_batch_size = 4;
  options.train_iters = 25;
  options.eval_interval = 10;
  options.eval_iters = 2;
  options.vocab_size = 65536;
  return options;
}

std::vector<int32_t> sample(const swallow::SampleSource& source, int64_t index) {
  std::vector<int32_t> tokens(17);
  source.sample(index, tokens);
  return tokens;
}

}  // namespace

TEST_CASE("a run's sizes are Megatron's", "[unit][data]") {
  DataOptions options = some_options();
  REQUIRE(swallow::num_train_samples(options) == 100);
  REQUIRE(swallow::num_valid_samples(options) == (25 / 10 + 1) * 2 * 4);
  REQUIRE(swallow::consumed_valid_samples(options, 10) == 0);
  REQUIRE(swallow::consumed_valid_samples(options, 20) == 8);
  REQUIRE(swallow::consumed_valid_samples(options, 25) == 16);
  options.eval_interval = 0;
  REQUIRE(swallow::num_valid_samples(options) == 0);
  REQUIRE(swallow::consumed_valid_samples(options, 20) == 0);
}

TEST_CASE("one prefix is split, its last evaluation lies inside the set", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(100));
  DataOptions options = some_options();
  options.data_path = {folder / "a"};
  const Datasets datasets = open_datasets(options);
  REQUIRE(datasets.train->size() >= 100);
  REQUIRE(datasets.valid->size() >= 24);
  REQUIRE(datasets.files.size() == 1);

  const swallow::GptDataset train(*datasets.files[0], {{0, 90}, 100, 16, 1234});
  const swallow::GptDataset valid(*datasets.files[0], {{90, 100}, 24, 16, 1234});
  for (int64_t i = 0; i < 100; ++i) REQUIRE(sample(*datasets.train, i) == sample(train, i));
  for (int64_t i = 0; i < 24; ++i) REQUIRE(sample(*datasets.valid, i) == sample(valid, i));

  REQUIRE(datasets.facts.size() == 2);
  REQUIRE(datasets.facts[0].split == "train");
  REQUIRE(datasets.facts[0].documents == 90);
  REQUIRE(datasets.facts[0].samples == 100);
  REQUIRE(datasets.facts[0].epochs == train.index().plan().epochs);
  REQUIRE(datasets.facts[1].split == "valid");
  REQUIRE(datasets.facts[1].documents == 10);
}

TEST_CASE("weighted prefixes are blended, each built with Megatron's surplus", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(100));
  swallow::test::write_dataset(folder / "b", swallow::test::uneven_lengths(70));
  DataOptions options = some_options();
  options.data_path = {"0.25", folder / "a", "0.75", folder / "b"};
  const Datasets datasets = open_datasets(options);
  REQUIRE(datasets.train->size() == 25 + 75);
  REQUIRE(datasets.valid->size() == 6 + 18);

  const swallow::GptDataset a(*datasets.files[0], {{0, 90}, 26, 16, 1234});
  const swallow::GptDataset b(*datasets.files[1], {{0, 63}, 76, 16, 1234});
  const swallow::BlendIndex index(std::vector<double>{0.25, 0.75}, 100);
  for (int64_t i = 0; i < 100; ++i) {
    const auto pick = index.pick(i);
    REQUIRE(sample(*datasets.train, i) == sample(pick.dataset == 0 ? a : b, pick.sample));
  }
  REQUIRE(datasets.facts.size() == 4);
  REQUIRE(datasets.facts[1].share == 0.75);
  REQUIRE(datasets.facts[1].samples == 75);
}

TEST_CASE("files given for a split are used whole", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(100));
  swallow::test::write_dataset(folder / "b", swallow::test::uneven_lengths(70));
  DataOptions options = some_options();
  options.train_data_path = {folder / "a"};
  options.valid_data_path = {"1", folder / "b"};
  const Datasets datasets = open_datasets(options);
  REQUIRE(datasets.facts[0].documents == 100);
  REQUIRE(datasets.facts[1].documents == 70);
  // A lone prefix is built for exactly n samples, weight or not.
  const swallow::GptDataset valid(*datasets.files[1], {{0, 70}, 24, 16, 1234});
  REQUIRE(datasets.valid->size() == valid.size());
  for (int64_t i = 0; i < 24; ++i) REQUIRE(sample(*datasets.valid, i) == sample(valid, i));
}

TEST_CASE("the test set is the last share of the files, of one evaluation", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(100));
  swallow::test::write_dataset(folder / "b", swallow::test::uneven_lengths(70));
  DataOptions options = some_options();
  options.split = "80,10,10";
  options.data_path = {"0.25", folder / "a", "0.75", folder / "b"};
  const Datasets datasets = open_datasets(options);
  REQUIRE(datasets.notices.empty());
  REQUIRE(datasets.test->size() == 2 + 6);
  const swallow::GptDataset a(*datasets.files[0], {{90, 100}, 3, 16, 1234});
  const swallow::GptDataset b(*datasets.files[1], {{63, 70}, 7, 16, 1234});
  const swallow::BlendIndex index(std::vector<double>{0.25, 0.75}, 8);
  for (int64_t i = 0; i < 8; ++i) {
    const auto pick = index.pick(i);
    REQUIRE(sample(*datasets.test, i) == sample(pick.dataset == 0 ? a : b, pick.sample));
  }
  REQUIRE(datasets.facts.size() == 6);
  REQUIRE(datasets.facts[4].split == "test");
  REQUIRE(datasets.facts[4].documents == 10);
  options.eval_iters = 0;
  REQUIRE(open_datasets(options).test == nullptr);
}

TEST_CASE("a split without text for the test is told, and files of its own are used whole",
          "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(100));
  swallow::test::write_dataset(folder / "none", std::vector<int32_t>{0, 0});
  DataOptions options = some_options();
  options.data_path = {folder / "a"};
  const Datasets without = open_datasets(options);
  REQUIRE(without.test == nullptr);
  REQUIRE(without.notices ==
          std::vector<std::string>{"no test after training: " + folder / "a" +
                                   ": its test split holds no token: 0 of 100 documents by "
                                   "--split 90,10"});
  options.data_path = {};
  options.train_data_path = options.valid_data_path = {folder / "a"};
  REQUIRE(open_datasets(options).test == nullptr);
  REQUIRE(open_datasets(options).notices.empty());
  options.test_data_path = {folder / "a"};
  const Datasets separate = open_datasets(options);
  const swallow::GptDataset whole(*separate.files[0], {{0, 100}, 8, 16, 1234});
  REQUIRE(separate.test->size() == whole.size());
  for (int64_t i = 0; i < 8; ++i) REQUIRE(sample(*separate.test, i) == sample(whole, i));
  options.test_data_path = {folder / "none"};  // asked for by name, so it is a mistake
  REQUIRE(message_of<DataError>([&] { (void)open_datasets(options); }) ==
          (folder / "none") + ": its test split holds no token: 2 of 2 documents");
}

TEST_CASE("a run of another length keeps its order where it keeps its epochs",
          "[unit][data][resume]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(700));
  swallow::test::write_dataset(folder / "b", swallow::test::uneven_lengths(90));
  DataOptions options = some_options();
  options.split = "60,40";
  // Of a: one epoch. Of b, which holds 156 training samples: two, the last one apart.
  options.train_iters = 60;
  options.eval_iters = 1;
  options.data_path = {"0.25", folder / "a", "0.75", folder / "b"};
  Datasets run = open_datasets(options);
  REQUIRE(run.facts[0].epochs == 1);
  REQUIRE(run.facts[1].epochs == 2);
  DataOptions longer = options;
  longer.train_iters = 80;
  REQUIRE(swallow::order_changes(options, longer, run.files).empty());
  const Datasets extended = open_datasets(longer);
  for (int64_t i = 0; i < 240; ++i) REQUIRE(sample(*extended.train, i) == sample(*run.train, i));
  for (int64_t i = 0; i < 28; ++i) REQUIRE(sample(*extended.valid, i) == sample(*run.valid, i));

  longer.train_iters = 100;  // more than 80 % of the second epoch
  REQUIRE(swallow::order_changes(options, longer, run.files) ==
          std::vector<std::string>{"train samples of " + folder / "b" +
                                   ": 2 epochs, the last one apart, now 2 epochs"});
  longer.train_iters = 200;
  longer.eval_iters = 8;
  REQUIRE(swallow::order_changes(options, longer, run.files) ==
          std::vector<std::string>{
              "train samples of " + folder / "b" + ": 2 epochs, the last one apart, now 4 epochs",
              "valid samples of " + folder / "b" + ": 1 epoch, now 5 epochs, the last one apart"});
  options.mock = longer.mock = true;
  REQUIRE(swallow::order_changes(options, longer, run.files).empty());
}

TEST_CASE("a resume gives the run's samples again, and enough for a smaller batch",
          "[unit][data][resume]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(700));
  swallow::test::write_dataset(folder / "b", swallow::test::uneven_lengths(900));
  DataOptions options = some_options();
  options.data_path = {"0.25", folder / "a", "0.75", folder / "b"};
  const Datasets run = open_datasets(options);
  for (const auto& fact : run.facts) REQUIRE(fact.epochs == 1);
  // After 20 of 25 steps.
  options.done_iters = 20;
  options.consumed_samples = 80;
  const Datasets resumed = open_datasets(options);
  REQUIRE(resumed.train->size() == run.train->size());
  for (int64_t i = 80; i < 100; ++i) REQUIRE(sample(*resumed.train, i) == sample(*run.train, i));
  // Within an epoch the order does not depend on the batch, so that what is next was not seen.
  options.global_batch_size = 2;
  const Datasets smaller = open_datasets(options);
  REQUIRE(smaller.train->size() >= 90);
  REQUIRE(smaller.train->size() < 100);
  for (int64_t i = 0; i < 90; ++i) REQUIRE(sample(*smaller.train, i) == sample(*run.train, i));
}

TEST_CASE("mock data need no files and tell the splits apart", "[unit][data]") {
  DataOptions options = some_options();
  options.mock = true;
  const Datasets datasets = open_datasets(options);
  REQUIRE(datasets.train->size() == 100);
  REQUIRE(datasets.valid->size() == 24);
  REQUIRE(datasets.test->size() == 8);
  REQUIRE(sample(*datasets.train, 0) != sample(*datasets.valid, 0));
  REQUIRE(sample(*datasets.test, 0) != sample(*datasets.valid, 0));
}

TEST_CASE("no validation set is opened when the run never evaluates", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "a", swallow::test::uneven_lengths(3));
  DataOptions options = some_options();
  options.data_path = {folder / "a"};
  options.split = "1,0";
  options.eval_iters = 0;
  REQUIRE(open_datasets(options).valid == nullptr);
  options.eval_iters = 1;
  const std::string message = message_of<DataError>([&] { (void)open_datasets(options); });
  REQUIRE(message.find("its valid split holds no token: 0 of 3 documents by --split 1,0") !=
          std::string::npos);
}

TEST_CASE("wrong combinations of data options are refused by flag", "[unit][data]") {
  const auto refusal = [](auto change) {
    DataOptions options = some_options();
    change(options);
    return message_of<ConfigError>([&] { (void)open_datasets(options); });
  };
  REQUIRE(refusal([](DataOptions&) {}).find("0 sources of data") == 0);
  REQUIRE(refusal([](DataOptions& o) {
            o.mock = true;
            o.data_path = {"a"};
          }).find("2 sources of data") == 0);
  REQUIRE(refusal([](DataOptions& o) { o.valid_data_path = {"a"}; }).find("--valid-data-path") ==
          0);
  REQUIRE(refusal([](DataOptions& o) { o.test_data_path = {"a"}; }).find("--test-data-path") == 0);
  REQUIRE(refusal([](DataOptions& o) { o.train_data_path = {"a"}; }).find("--train-data-path") ==
          0);
  REQUIRE(refusal([](DataOptions& o) {
            o.data_path = {"a", "b", "c"};
          }).find("--data-path: 3") == 0);
  for (const char* weight : {"0", "-1", "nan", "inf", "x", "0x10", "1e999", ""}) {
    CAPTURE(weight);
    REQUIRE(refusal([&](DataOptions& o) {
              o.data_path = {weight, "a", "1", "b"};
            }).find(fmt::format("--data-path {}: expected a weight", weight)) == 0);
  }
  REQUIRE(refusal([](DataOptions& o) {
            o.mock = true;
            o.seed = int64_t{1} << 32;
          }).find("--seed") == 0);
}

TEST_CASE("a planted token is found with file, document and offset", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::IndexedDatasetWriter writer(folder / "a", swallow::TokenType::u16);
  writer.add_document(std::vector<int32_t>(40, 1));
  std::vector<int32_t> bad(40, 2);
  bad[30] = 999;
  writer.add_document(bad);
  writer.finish();

  DataOptions options = some_options();
  options.split = "1,0";
  options.eval_iters = 0;
  options.data_path = {folder / "a"};
  const Datasets datasets = open_datasets(options);
  swallow::BatchLoader loader(*datasets.train,
                              {.micro_batch_size = 4, .seq_length = 16, .vocab_size = 100});
  const std::string message = message_of<DataError>([&] {
    for (int64_t k = 0; k < 25; ++k) loader.load(0, k, {}, {});
  });
  REQUIRE(message == (folder / "a.bin") +
                         ": document 1, token 30 of it (byte 140): token 999, the vocabulary has "
                         "100 (--vocab-size)");
}
