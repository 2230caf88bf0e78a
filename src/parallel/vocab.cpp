#include "parallel/vocab.h"

#include "kernels/cross_entropy.h"
#include "kernels/embedding.h"

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

}  // namespace swallow
