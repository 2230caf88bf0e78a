#include "commands/checkpoint_args.h"

#include <catch2/catch.hpp>

#include "base/check.h"

using namespace swallow;

namespace {

const std::string kGqa = SWALLOW_SOURCE_DIR "/test/golden/hf_tiny_gqa";
const std::string kMha = SWALLOW_SOURCE_DIR "/test/golden/hf_tiny_mha";

ModelConfig completed(const std::vector<std::string>& flags) {
  ParsedCommandLine parsed = parse_command_line(flags);
  complete_model(parsed);
  return parsed.config.model;
}

}  // namespace

TEST_CASE("the vocabulary is that of --load, else of --pretrained-checkpoint", "[unit][commands]") {
  const int64_t size = completed({"--load", kGqa}).vocab_size;
  CHECK(size > 0);
  CHECK(completed({"--load", "/none", "--pretrained-checkpoint", kGqa}).vocab_size == size);
  CHECK(completed({"--load", kGqa, "--vocab-size", "7"}).vocab_size == 7);
  CHECK(completed({"--preset", "tiny", "--load", kGqa}).vocab_size == 512);
  CHECK(completed({"--load", "/none"}).vocab_size == 0);
}

TEST_CASE("a tokenizer gives the vocabulary where no checkpoint does", "[unit][commands]") {
  CHECK(completed({"--load", kGqa, "--tokenizer-model", "/none"}).vocab_size > 0);
  CHECK_THROWS_WITH(completed({"--tokenizer-model", "/none/tok.model"}),
                    Catch::Contains("/none/tok.model"));
}

TEST_CASE("the flag --use-checkpoint-args takes the query groups that no flag gives",
          "[unit][commands]") {
  CHECK(completed({"--load", kGqa}).num_query_groups == 0);
  CHECK(completed({"--load", kGqa, "--use-checkpoint-args"}).num_query_groups == 2);
  CHECK(completed({"--load", kMha, "--use-checkpoint-args"}).num_query_groups == 4);
  CHECK(completed({"--load", kGqa, "--use-checkpoint-args", "--num-query-groups", "4"})
            .num_query_groups == 4);
}
