#include "kernels/cross_entropy.h"

#include "kernels/op_check.h"

namespace swallow {

namespace {

void check_columns(const OpCheck& check, const Tensor& logits, int64_t vocab_start, int64_t valid) {
  check.require(vocab_start >= 0, "vocab_start is negative");
  check.require(valid >= 0 && valid <= logits.size(1), "valid is not within the columns");
}

}  // namespace

void CrossEntropyLocal::check() const {
  const OpCheck check("CrossEntropyLocal", logits);
  check.leading("logits", logits, 2);
  const int64_t rows = logits.size(0);
  check.argument("targets", targets, DType::i32, {rows});
  check.argument("maxima", maxima, accumulate_dtype(logits.dtype), {rows});
  check.argument("sums", sums, accumulate_dtype(logits.dtype), {2, rows});
  check_columns(check, logits, vocab_start, valid);
}

void CrossEntropyRescale::check() const {
  const OpCheck check("CrossEntropyRescale", sums);
  check.leading("sums", sums, 2);
  const Shape rows = {sums.size(1)};
  check.require(sums.dtype != DType::bf16 && sums.size(0) == 2,
                "sums must be [2, rows] f32 or f64");
  check.argument("local_maxima", local_maxima, sums.dtype, rows);
  check.argument("global_maxima", global_maxima, sums.dtype, rows);
}

void CrossEntropyLoss::check() const {
  const OpCheck check("CrossEntropyLoss", sums);
  check.leading("sums", sums, 2);
  check.require(sums.dtype != DType::bf16 && sums.size(0) == 2,
                "sums must be [2, rows] f32 or f64");
  check.argument("global_maxima", global_maxima, sums.dtype, {sums.size(1)});
  check.argument("loss", loss, DType::f64, {1});
}

void CrossEntropyBackward::check() const {
  const OpCheck check("CrossEntropyBackward", logits);
  check.leading("logits", logits, 2);
  const int64_t rows = logits.size(0);
  check.argument("targets", targets, DType::i32, {rows});
  check.argument("global_maxima", global_maxima, accumulate_dtype(logits.dtype), {rows});
  check.argument("sums", sums, accumulate_dtype(logits.dtype), {2, rows});
  check_columns(check, logits, vocab_start, valid);
}

}  // namespace swallow
