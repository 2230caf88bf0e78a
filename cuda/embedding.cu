// Embedding lookup on a GPU and its gradient. Forward copies rows: reads and writes rows h
// elements. Backward adds dy's rows to fp32 table rows in the order of their positions, to the same
// bits as the CPU and without atomics: the block of an id's first position finds all others and
// adds them. Bandwidth-bound on the whole: reads dy once, reads and writes each distinct row of
// dtable once; a search of all ids by each distinct id runs from the caches, 4 rows bytes a block.
#include <cuda_bf16.h>

#include <cstdint>

#include "base/math.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/embedding.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

constexpr int kForwardThreads = 512;

// A block covers 256 packs of columns, so an id that fills a tenth of a batch is shared by the
// blocks of its row, and kBatch rows of dy are on their way at once in each.
constexpr int kBackwardThreads = 256;
constexpr int kBatch = 8;

// The ids that a block compares between two barriers: one bit each in 32 words, so that a warp can
// hold all words.
constexpr int kWords = 32;
constexpr int kChunk = 32 * kWords;
constexpr int kWordsOfWarp = kWords / (kBackwardThreads / 32);

/// Places of an id among the ids of a chunk.
struct Matches {
  unsigned words[kWords];
  int places[kChunk];  // in order
};

/// y [rows, h], table [vocab, h]; one thread per pack. Grid: x = rows, y = blocks of columns.
template <class T, int kCount>
__global__ void __launch_bounds__(kForwardThreads)
    embedding_forward_kernel(const int32_t* __restrict__ ids, const T* __restrict__ table,
                             T* __restrict__ y, int64_t vocab, int64_t vocab_start,
                             int64_t hidden) {
  const int64_t column = (int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * kCount;
  if (column >= hidden) return;
  const int64_t row = ids[blockIdx.x] - vocab_start;
  RawPack<T, kCount> pack{};
  if (row >= 0 && row < vocab) pack = load_pack<kCount>(table + row * hidden + column);
  store_pack(y + blockIdx.x * hidden + column, pack);
}

/// Finds `id` in ids[base, base + kChunk) and before `rows`. Returns how often, after writing where
/// to `matches`. All threads of the block take part; it ends with a barrier.
__device__ int find_in_chunk(const int32_t* __restrict__ ids, int64_t base, int64_t rows,
                             int32_t id, Matches& matches) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_word = static_cast<int>(threadIdx.x) / 32 * kWordsOfWarp;
#pragma unroll
  for (int i = 0; i < kWordsOfWarp; ++i) {
    const int64_t position = base + (first_word + i) * 32 + lane;
    const bool match = position < rows && ids[position] == id;
    unsigned word = 0;
    if (position - lane < rows) word = __ballot_sync(0xFFFFFFFFU, match);  // the whole warp or none
    if (lane == 0) matches.words[first_word + i] = word;
  }
  __syncthreads();

  const unsigned word = matches.words[lane];
  const int count = __popc(word);
  int up_to = count;  // matches in words 0 .. lane
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int below = __shfl_up_sync(0xFFFFFFFFU, up_to, static_cast<unsigned>(distance));
    if (lane >= distance) up_to += below;
  }
  const int total = __shfl_sync(0xFFFFFFFFU, up_to, 31);
#pragma unroll
  for (int i = 0; i < kWordsOfWarp; ++i) {
    if (total == 0) break;  // most chunks, for most ids
    const unsigned bits = __shfl_sync(0xFFFFFFFFU, word, first_word + i);
    const int before = __shfl_sync(0xFFFFFFFFU, up_to - count, first_word + i);
    const unsigned lower = (1U << lane) - 1;
    if ((bits >> lane & 1U) != 0)
      matches.places[before + __popc(bits & lower)] = (first_word + i) * 32 + lane;
  }
  __syncthreads();
  return total;
}

/// sum += dy's rows at `places`, in order; `dy` points at this thread's columns of the chunk.
template <class T, int kCount>
__device__ void add_rows(float (&sum)[kCount], const T* __restrict__ dy, int64_t hidden,
                         const int* places, int count) {
  for (int first = 0; first < count; first += kBatch) {
    RawPack<T, kCount> rows[kBatch] = {};
#pragma unroll
    for (int k = 0; k < kBatch; ++k)
      if (first + k < count) rows[k] = load_pack<kCount>(dy + places[first + k] * hidden);
#pragma unroll
    for (int k = 0; k < kBatch; ++k) {
      if (first + k >= count) break;
      float row[kCount];
      unpack(rows[k], row);
#pragma unroll
      for (int i = 0; i < kCount; ++i) sum[i] += row[i];
    }
  }
}

/// dtable [vocab, h] += rows of dy [rows, h]. Grid: x = positions, y = blocks of columns. Only the
/// block of an id's first position goes on after its first match.
template <class T, int kCount>
__global__ void __launch_bounds__(kBackwardThreads)
    embedding_backward_kernel(const int32_t* __restrict__ ids, const T* __restrict__ dy,
                              float* __restrict__ dtable, int64_t rows, int64_t vocab,
                              int64_t vocab_start, int64_t hidden) {
  __shared__ Matches matches;
  const int32_t id = ids[blockIdx.x];
  const int64_t row = id - vocab_start;
  if (row < 0 || row >= vocab) return;
  const int64_t column = (int64_t{blockIdx.y} * kBackwardThreads + threadIdx.x) * kCount;
  const bool has_columns = column < hidden;  // threads beyond the row take part in the search
  float* target = dtable + row * hidden + column;

  float sum[kCount] = {};
  bool is_first = false;
  for (int64_t base = 0; base < rows; base += kChunk) {
    const int count = find_in_chunk(ids, base, rows, id, matches);
    if (count == 0) continue;
    if (!is_first) {
      if (base + matches.places[0] != blockIdx.x) return;
      is_first = true;
      if (has_columns) load_floats(sum, target);
    }
    if (has_columns) add_rows(sum, dy + base * hidden + column, hidden, matches.places, count);
  }
  if (has_columns) store_floats(target, sum);
}

template <class T, int kCount>
void forward(cudaStream_t queue, const EmbeddingForward& op) {
  const int64_t hidden = op.y.size(1);
  launch_kernel(queue, rows_of_packs(op.y.size(0), ceil_div(hidden, kCount), kForwardThreads),
                embedding_forward_kernel<T, kCount>, pointer<const int32_t>(op.ids),
                pointer<const T>(op.table), pointer<T>(op.y), op.table.size(0), op.vocab_start,
                hidden);
}

template <class T, int kCount>
void backward(cudaStream_t queue, const EmbeddingBackward& op) {
  const int64_t rows = op.dy.size(0);
  const int64_t hidden = op.dy.size(1);
  LaunchShape shape = rows_of_packs(rows, ceil_div(hidden, kCount), kBackwardThreads);
  shape.threads = kBackwardThreads;  // all of them search
  launch_kernel(queue, shape, embedding_backward_kernel<T, kCount>, pointer<const int32_t>(op.ids),
                pointer<const T>(op.dy), pointer<float>(op.dtable), rows, op.dtable.size(0),
                op.vocab_start, hidden);
}

}  // namespace

void run(Stream& stream, const EmbeddingForward& op) {
  if (op.y.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("embedding", op.y.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    if (op.y.size(1) % kWidth == 0 && is_aligned(op.table) && is_aligned(op.y))
      forward<T, kWidth>(queue, op);
    else
      forward<T, 1>(queue, op);
  });
}

void run(Stream& stream, const EmbeddingBackward& op) {
  if (op.dy.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("embedding", op.dy.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    if (op.dy.size(1) % kWidth == 0 && is_aligned(op.dy) && is_aligned(op.dtable))
      backward<T, kWidth>(queue, op);
    else
      backward<T, 1>(queue, op);
  });
}

}  // namespace swallow::cuda
