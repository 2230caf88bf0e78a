#include "parallel/vocab.h"

#include <algorithm>

#include "kernels/cross_entropy.h"
#include "kernels/embedding.h"
#include "parallel/linear.h"

namespace swallow {

void vocab_parallel_embedding_forward(const TensorParallel& tp, const Tensor& ids,
                                      const Tensor& table, const Tensor& y, int64_t vocab_start) {
  launch(tp.stream, EmbeddingForward{.ids = ids.view({ids.numel()}),
                                     .table = table,
                                     .y = partial_sum(tp, y).as_matrix(),
                                     .vocab_start = vocab_start});
  leave_region(tp, y);
}

void vocab_parallel_embedding_backward(const TensorParallel& tp, const Tensor& ids,
                                       const Tensor& dy, const Tensor& dtable,
                                       int64_t vocab_start) {
  launch(tp.stream, EmbeddingBackward{.ids = ids.view({ids.numel()}),
                                      .dy = enter_region(tp, dy).as_matrix(),
                                      .dtable = dtable,
                                      .vocab_start = vocab_start});
}

void vocab_parallel_cross_entropy_forward(const TensorParallel& tp, const Tensor& logits,
                                          const Tensor& targets, const VocabSlice& slice,
                                          const Tensor& loss) {
  launch(tp.stream, CrossEntropyLocal{.logits = logits,
                                      .targets = targets,
                                      .maxima = slice.maxima,
                                      .sums = slice.sums,
                                      .vocab_start = slice.start,
                                      .valid = slice.valid});
  if (tp.group.size() > 1) {
    copy(tp.stream, slice.local, slice.maxima);
    tp.group.all_reduce(tp.stream, slice.maxima, ReduceOp::max);
    launch(tp.stream,
           CrossEntropyRescale{
               .local_maxima = slice.local, .global_maxima = slice.maxima, .sums = slice.sums});
    tp.group.all_reduce(tp.stream, slice.sums, ReduceOp::sum);
  }
  launch(tp.stream,
         CrossEntropyLoss{.global_maxima = slice.maxima, .sums = slice.sums, .loss = loss});
}

void vocab_parallel_cross_entropy_backward(const TensorParallel& tp, const Tensor& logits,
                                           const Tensor& targets, const VocabSlice& slice,
                                           double scale) {
  launch(tp.stream, CrossEntropyBackward{.logits = logits,
                                         .targets = targets,
                                         .global_maxima = slice.maxima,
                                         .sums = slice.sums,
                                         .vocab_start = slice.start,
                                         .valid = slice.valid,
                                         .scale = scale});
}

VocabSlice VocabSlice::first(int64_t count) const {
  return {start, valid, maxima.rows(0, count), local ? local.rows(0, count) : local,
          sums.view({sums.numel()}).rows(0, 2 * count).view({2, count})};
}

namespace {

/// Calls fn(begin, end) for the chunks of `rows` tokens.
template <class Fn>
void for_each_chunk(const VocabParallelHead& head, Fn&& fn) {
  const int64_t rows = head.targets.numel();
  const int64_t chunk = head.logits.size(0);
  for (int64_t begin = 0; begin < rows; begin += chunk) fn(begin, std::min(begin + chunk, rows));
}

/// Logits and loss of tokens [begin, end); `x` is the whole input.
void chunk_forward(const TensorParallel& tp, const VocabParallelHead& head, const Tensor& x,
                   int64_t begin, int64_t end) {
  const Tensor logits = head.logits.rows(0, end - begin);
  linear_forward(tp, x.rows(begin, end), head.w, logits);
  vocab_parallel_cross_entropy_forward(tp, logits, head.targets.rows(begin, end),
                                       head.slice.first(end - begin), head.loss);
}

}  // namespace

void vocab_parallel_head_loss(const TensorParallel& tp, const VocabParallelHead& head) {
  const Tensor x = enter_region(tp, head.x).as_matrix();
  for_each_chunk(head, [&](int64_t begin, int64_t end) { chunk_forward(tp, head, x, begin, end); });
}

void vocab_parallel_head_loss_and_gradients(const TensorParallel& tp, const VocabParallelHead& head,
                                            double scale, const Tensor& dx, const Tensor& dw,
                                            Beta beta) {
  const Tensor x = enter_region(tp, head.x).as_matrix();
  const Tensor partial = partial_sum(tp, dx).as_matrix();
  for_each_chunk(head, [&](int64_t begin, int64_t end) {
    chunk_forward(tp, head, x, begin, end);
    const Tensor logits = head.logits.rows(0, end - begin);  // dlogits from here on
    vocab_parallel_cross_entropy_backward(tp, logits, head.targets.rows(begin, end),
                                          head.slice.first(end - begin), scale);
    linear_backward_weight(tp, logits, x.rows(begin, end), dw, begin == 0 ? beta : Beta::one);
    linear_backward_input(tp, logits, head.w, partial.rows(begin, end));
  });
  leave_region(tp, dx);
}

}  // namespace swallow
