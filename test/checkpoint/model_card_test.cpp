#include "checkpoint/model_card.h"

#include <catch2/catch.hpp>

#include "checkpoint/hugging_face_export.h"
#include "checkpoint/saved_model.h"
#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace {

std::string card_of(const std::string& folder) {
  const auto bytes = read_file(folder + "/README.md");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("a model card tells of its run what the checkpoint knows", "[checkpoint]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "run", {2, 1, 1}, 5) == std::vector<std::string>(2));
  const SavedModel model(scratch / "run");
  Manifest manifest = *model.manifest();
  manifest.state.consumed_train_samples = 1000;
  manifest.state.build = "swallow-train 9.9 abc";
  manifest.state.config_digest = "0123456789abcdef";
  ModelConfig config = tiny_model_config();
  config.seq_length = 64;
  int64_t parameters = 0;
  for (const auto& [name, shape] : canonical_tensors(config)) parameters += shape.numel();
  const auto export_as = [&](NumberType type, const Manifest* checkpoint) {
    const std::string output =
        scratch / fmt::format("{}{}", file_dtype(type), checkpoint == nullptr ? "" : "-run");
    write_hugging_face(model.weights_as(type), {.model = config},
                       {.output = output, .type = type, .checkpoint = checkpoint});
    return card_of(output);
  };
  const std::string card = export_as(NumberType::f32, &manifest);
  CHECK_THAT(card, Catch::Contains("Exported from iteration 5 of a swallow-train run.") &&
                       Catch::Contains("| training sequences | 1000 |") &&
                       Catch::Contains("| training tokens | 64000 |") &&
                       Catch::Contains("| program | swallow-train 9.9 abc |") &&
                       Catch::Contains("| digest of the configuration | 0123456789abcdef |"));
  CHECK_THAT(card, Catch::Contains(fmt::format("| parameters | {} |", parameters)) &&
                       Catch::Contains("| type of the weights | float32 |") &&
                       Catch::Contains("| vocabulary | 37 tokens |") &&
                       Catch::Contains("--dtype float32") && Catch::Contains("no tokenizer") &&
                       !Catch::Contains("AutoTokenizer"));
  CHECK_THAT(export_as(NumberType::bf16, nullptr),
             Catch::Contains("from another Hugging Face folder") &&
                 Catch::Contains("| type of the weights | bfloat16 |") &&
                 !Catch::Contains("--dtype") && !Catch::Contains("iteration") &&
                 !Catch::Contains("training sequences"));
}

TEST_CASE("what a checkpoint's file says cannot become markup of a model card", "[checkpoint]") {
  CHECK(markdown_text("1.0 (gcc-12), x86") == "1.0 (gcc-12), x86");
  CHECK(markdown_text("<b> & | [x](y) `c` *d* _e_ \\") ==
        "\\<b\\> \\& \\| \\[x\\](y) \\`c\\` \\*d\\* \\_e\\_ \\\\");
  CHECK(markdown_text("a\n# b\r\tc\x7f") == "a \\# b  c ");
  const ModelConfig model = tiny_model_config();
  const CheckpointState state{.build = "x |\n\n<script>", .config_digest = "](http://x)"};
  const std::string card =
      model_card_text({.model = &model, .dtype = "bfloat16", .run = &state, .has_tokenizer = true});
  CHECK_THAT(card, Catch::Contains("| program | x \\|  \\<script\\> |\n") &&
                       Catch::Contains("| \\](http://x) |") &&
                       Catch::Contains("AutoTokenizer.from_pretrained(folder)"));
}
