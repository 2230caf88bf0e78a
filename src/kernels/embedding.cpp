#include "kernels/embedding.h"

#include "kernels/op_check.h"

namespace swallow {

void EmbeddingForward::check() const {
  const OpCheck check("EmbeddingForward", table);
  check.leading("table", table, 2);
  const int64_t rows = ids.size(0);
  check.argument("ids", ids, DType::i32, {rows});
  check.argument("y", y, table.dtype, {rows, table.size(1)});
  check.require(vocab_start >= 0, "vocab_start is negative");
}

void EmbeddingBackward::check() const {
  const OpCheck check("EmbeddingBackward", dy);
  check.leading("dy", dy, 2);
  check.argument("ids", ids, DType::i32, {dy.size(0)});
  check.argument("dtable", dtable, accumulate_dtype(dy.dtype), {dtable.size(0), dy.size(1)});
  check.require(vocab_start >= 0, "vocab_start is negative");
}

}  // namespace swallow
