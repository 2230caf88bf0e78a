#include "checkpoint/extended_vocabulary.h"

#include <catch2/catch.hpp>

#include "checkpoint/hugging_face_export.h"
#include "checkpoint/saved_model.h"
#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr int64_t kOld = 37;
constexpr int64_t kColumns = 16;

/// A whole tensor as fp64.
std::vector<double> numbers(const TensorSource& source, const std::string& name) {
  const int64_t count = source.tensors().find(name)->second.shape.numel();
  NumberReader reader(source, name, NumberType::f64);
  std::vector<double> result;
  for (int64_t begin = 0; begin < count; begin += 100) {  // not a whole number of rows
    const auto bytes = reader.next(std::min<int64_t>(100, count - begin));
    const auto* values = reinterpret_cast<const double*>(bytes.data());
    result.insert(result.end(), values, values + bytes.size() / sizeof(double));
  }
  return result;
}

double at(const std::vector<double>& tensor, int64_t row, int64_t column) {
  return tensor[static_cast<size_t>(row * kColumns + column)];
}

}  // namespace

TEST_CASE("new rows are means of the rows of their pieces; old rows and other tensors stay",
          "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in", {.type = NumberType::bf16});
  const SavedModel model(scratch / "in");
  const TensorSource& source = model.weights_as(NumberType::bf16);
  const VocabularyExtension extension{.pieces = {{3, 5, 36}, {7}, {}, {2, 2, 4}}};
  const ExtendedVocabulary extended(source, extension);
  for (const auto& [name, tensor] : extended.tensors()) {
    INFO(name);
    const std::vector<double> before = numbers(source, name);
    const std::vector<double> after = numbers(extended, name);
    REQUIRE(std::equal(before.begin(), before.end(), after.begin()));
    if (name != "lm_head.weight" && name != "model.embed_tokens.weight") {
      CHECK(tensor.shape == source.tensors().find(name)->second.shape);
      CHECK(before == after);
      continue;
    }
    REQUIRE(tensor.shape == Shape{kOld + 4, kColumns});
    for (int64_t c = 0; c < kColumns; ++c) {
      double all = 0;
      for (int64_t row = 0; row < kOld; ++row) all += at(before, row, c);
      CHECK(at(after, kOld, c) == (at(before, 3, c) + at(before, 5, c) + at(before, 36, c)) / 3);
      CHECK(at(after, kOld + 1, c) == at(before, 7, c));
      CHECK(at(after, kOld + 2, c) == Approx(all / kOld));
      CHECK(at(after, kOld + 3, c) == (2 * at(before, 2, c) + at(before, 4, c)) / 3);
    }
  }
}

TEST_CASE("new rows may be the mean of all, or random by seed, tensor and element",
          "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in", {.type = NumberType::f32});
  const SavedModel model(scratch / "in");
  const TensorSource& source = model.weights_as(NumberType::f32);
  const std::string name = "lm_head.weight";
  const VocabularyExtension mean{.init = RowInit::mean, .pieces = {{3}, {4}}};
  const auto with_mean = numbers(ExtendedVocabulary(source, mean), name);
  for (int64_t c = 0; c < kColumns; ++c) {
    double all = 0;
    for (int64_t row = 0; row < kOld; ++row) all += at(with_mean, row, c);
    CHECK(at(with_mean, kOld, c) == Approx(all / kOld));
    CHECK(at(with_mean, kOld, c) == at(with_mean, kOld + 1, c));
  }
  VocabularyExtension random{.init = RowInit::random, .seed = 9, .std = 0.5};
  random.pieces.resize(2000);
  const ExtendedVocabulary grown(source, random);
  const auto rows = numbers(grown, name);
  CHECK(rows == numbers(grown, name));
  double sum = 0;
  double squares = 0;
  for (size_t i = kOld * kColumns; i < rows.size(); ++i) {
    sum += rows[i];
    squares += rows[i] * rows[i];
  }
  const double count = 2000.0 * kColumns;  // the mean's deviation is 0.5 / sqrt(count) = 0.0028
  CHECK(std::fabs(sum / count) < 0.014);
  CHECK(squares / count == Approx(0.25).epsilon(0.05));
  CHECK(numbers(grown, "model.embed_tokens.weight").back() != rows.back());
  random.seed = 10;
  CHECK(numbers(ExtendedVocabulary(source, random), name).back() != rows.back());
}

TEST_CASE("a model with more tokens is a folder that loads like any other", "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in", {.type = NumberType::bf16});
  const SavedModel model(scratch / "in");
  const VocabularyExtension extension{.pieces = {{3, 5}, {1, 2, 4}}};
  const ExtendedVocabulary extended(model.weights_as(NumberType::bf16), extension);
  HuggingFaceConfig config = model.config();
  config.model.vocab_size += 2;
  write_hugging_face(extended, config, {.output = scratch / "out"});
  const HuggingFaceFolder out(scratch / "out");
  CHECK(out.config().model.vocab_size == kOld + 2);
  const auto stored = numbers(out, "lm_head.weight");
  const auto exact = numbers(extended, "lm_head.weight");
  for (size_t i = 0; i < exact.size(); ++i)
    if (stored[i] != static_cast<double>(convert<float>(convert<bfloat16>(exact[i]))) &&
        std::fabs(stored[i] - exact[i]) > std::fabs(exact[i]) * 0x1p-9)
      FAIL(i << ": " << stored[i] << " of " << exact[i]);
}
