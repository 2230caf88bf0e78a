// oneDNN's own threading would split long sums over threads when c is small, so that bits would
// depend on their number. Here c is cut into tiles by its size alone, every tile is a
// single-threaded primitive, and threads share the tiles.
// Primitives are made once per shape (0.5 ms each) and kept on the stream with all they need, so a
// product that was seen before allocates nothing.
#include "kernels/cpu/onednn_gemm.h"

#include <omp.h>
#include <algorithm>
#include <array>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "base/math.h"
#include "kernels/cpu/worker.h"

namespace swallow::cpu {

namespace {

// Small enough that usual layers give every core a tile, large enough that copying operands into
// oneDNN's layout, once a tile, stays within a few per cent.
constexpr int64_t kTileRows = 256;
constexpr int64_t kTileColumns = 512;
constexpr int64_t kTileMultiple = 32;

struct Key {
  int64_t m, n, k;
  DType input, output;
  Transpose transpose_a, transpose_b;
  Beta beta;

  [[nodiscard]] auto fields() const {
    return std::tie(m, n, k, input, output, transpose_a, transpose_b, beta);
  }
  friend bool operator<(const Key& x, const Key& y) { return x.fields() < y.fields(); }
};

/// The even cut of one dimension: `count` pieces of `size`, the last one of `last`.
struct Cut {
  int64_t count, size, last;
};

Cut cut(int64_t length, int64_t at_most) {
  const int64_t size = round_up(ceil_div(length, ceil_div(length, at_most)), kTileMultiple);
  const int64_t count = ceil_div(length, size);
  return {count, std::min(size, length), length - (count - 1) * size};
}

/// A primitive for one size of tile.
struct TileKernel {
  dnnl::matmul primitive;
  dnnl::memory::desc a, b, c, scratchpad;
};

/// What a thread needs of its own to run a TileKernel.
struct Arguments {
  dnnl::memory a, b, c, scratchpad;
};

struct Product {
  bool supported = true;
  Cut rows{}, columns{};
  std::array<TileKernel, 4> kernels;              // by [last row][last column]
  std::vector<std::array<Arguments, 4>> threads;  // [num_threads]
};

struct Cache {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::map<Key, Product> products;
  std::vector<dnnl::stream> streams;  // [num_threads]
  std::vector<Buffer> scratchpads;    // [num_threads], as large as any product needs
};

/// oneDNN takes its number of threads from OpenMP's setting of the calling thread: one, while an
/// object of this class lives.
class SingleThreaded {
 public:
  SingleThreaded() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SingleThreaded() { omp_set_num_threads(before_); }
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  int before_;
};

/// [rows, columns] of a larger row-major matrix whose rows, or columns when transposed, lie
/// `stride` apart.
dnnl::memory::desc describe(int64_t rows, int64_t columns, DType dtype, Transpose transpose,
                            int64_t stride) {
  const auto type =
      dtype == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  const dnnl::memory::dims strides =
      transpose == Transpose::no ? dnnl::memory::dims{stride, 1} : dnnl::memory::dims{1, stride};
  return {{rows, columns}, type, strides};
}

/// Sets the primitive to null when oneDNN has no fast kernel.
TileKernel make_kernel(const Key& key, int64_t rows, int64_t columns, const dnnl::engine& engine) {
  TileKernel kernel;
  kernel.a = describe(rows, key.k, key.input, key.transpose_a,
                      key.transpose_a == Transpose::no ? key.k : key.m);
  kernel.b = describe(key.k, columns, key.input, key.transpose_b,
                      key.transpose_b == Transpose::no ? key.n : key.k);
  kernel.c = describe(rows, columns, key.output, Transpose::no, key.n);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.beta == Beta::one) {
    dnnl::post_ops post_ops;
    post_ops.append_sum(1.0F);
    attributes.set_post_ops(post_ops);
  }
  const dnnl::matmul::primitive_desc description({kernel.a, kernel.b, kernel.c}, attributes, engine,
                                                 /*allow_empty=*/true);
  // Empty: no kernel for these types here (bf16 before AVX-512). "ref": oneDNN's slow loop nest,
  // which our own kernel beats by far.
  if (!description || std::string(description.impl_info_str()).starts_with("ref")) return kernel;
  kernel.primitive = dnnl::matmul(description);
  kernel.scratchpad = description.scratchpad_desc();
  return kernel;
}

Product make_product(const Key& key, Cache& cache, size_t num_threads) {
  Product product;
  product.rows = cut(key.m, kTileRows);
  product.columns = cut(key.n, kTileColumns);
  for (size_t i = 0; i < product.kernels.size(); ++i) {
    TileKernel& kernel = product.kernels[i];
    kernel = make_kernel(key, i / 2 == 1 ? product.rows.last : product.rows.size,
                         i % 2 == 1 ? product.columns.last : product.columns.size, cache.engine);
    if (!kernel.primitive) {
      product.supported = false;
      return product;
    }
    for (Buffer& scratchpad : cache.scratchpads) {
      const auto bytes = static_cast<int64_t>(kernel.scratchpad.get_size());
      if (bytes > scratchpad.bytes()) scratchpad = Buffer(Device{}, bytes);
    }
  }
  product.threads.resize(num_threads);
  for (auto& arguments : product.threads)
    for (size_t i = 0; i < arguments.size(); ++i) {
      const auto make = [&](const dnnl::memory::desc& description) {
        return dnnl::memory(description, cache.engine, nullptr);
      };
      const TileKernel& kernel = product.kernels[i];
      arguments[i] = {make(kernel.a), make(kernel.b), make(kernel.c), make(kernel.scratchpad)};
    }
  return product;
}

Product& find_product(Cache& cache, const Gemm& op, int num_threads) {
  const Key key{op.m(),     op.n(),         op.k(),         op.a.dtype,
                op.c.dtype, op.transpose_a, op.transpose_b, op.beta};
  const auto found = cache.products.find(key);
  if (found != cache.products.end()) return found->second;
  cache.scratchpads.resize(static_cast<size_t>(num_threads));
  while (cache.streams.size() < cache.scratchpads.size()) cache.streams.emplace_back(cache.engine);
  return cache.products.emplace(key, make_product(key, cache, cache.streams.size())).first->second;
}

std::byte* element(const Tensor& tensor, int64_t index) {
  return static_cast<std::byte*>(tensor.data) + index * size_of(tensor.dtype);
}

/// Runs tile (row, column) on the calling worker. Reports failure by a status: an exception must
/// not leave a parallel region.
dnnl_status_t run_tile(const Gemm& op, Product& product, Cache& cache, int64_t row,
                       int64_t column) {
  const size_t kind =
      (row + 1 == product.rows.count ? 2U : 0U) + (column + 1 == product.columns.count ? 1U : 0U);
  const int64_t first_row = row * product.rows.size;
  const int64_t first_column = column * product.columns.size;
  const auto thread = static_cast<size_t>(worker());
  Arguments& arguments = product.threads[thread][kind];
  const std::array<dnnl_exec_arg_t, 4> list = {{{DNNL_ARG_SRC, arguments.a.get()},
                                                {DNNL_ARG_WEIGHTS, arguments.b.get()},
                                                {DNNL_ARG_DST, arguments.c.get()},
                                                {DNNL_ARG_SCRATCHPAD, arguments.scratchpad.get()}}};
  const std::array<void*, 4> data = {
      element(op.a, op.transpose_a == Transpose::no ? first_row * op.k() : first_row),
      element(op.b, op.transpose_b == Transpose::no ? first_column : first_column * op.k()),
      element(op.c, first_row * op.n() + first_column), cache.scratchpads[thread].data()};
  for (size_t i = 0; i < list.size(); ++i) {
    const dnnl_status_t status = dnnl_memory_set_data_handle(list[i].memory, data[i]);
    if (status != dnnl_success) return status;
  }
  return dnnl_primitive_execute(product.kernels[kind].primitive.get(), cache.streams[thread].get(),
                                static_cast<int>(list.size()), list.data());
}

}  // namespace

bool onednn_gemm(Stream& stream, const Gemm& op) {
  const SingleThreaded scope;
  int failure = dnnl_success;
  try {
    auto& cache = stream.extension<Cache>();
    const int num_threads = stream.num_threads();
    Product& product = find_product(cache, op, num_threads);
    if (!product.supported) return false;
    const int64_t tiles = product.rows.count * product.columns.count;
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) \
    reduction(max                                                   \
              : failure) if (tiles > 1)
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = tile / product.columns.count;
      const int64_t column = tile % product.columns.count;
      failure = std::max<int>(failure, run_tile(op, product, cache, row, column));
    }
  } catch (const dnnl::error& error) {
    throw DeviceError("oneDNN matmul of {} and {} into {}: {}", to_string(op.a), to_string(op.b),
                      to_string(op.c), error.what());
  }
  if (failure != dnnl_success)
    throw DeviceError("oneDNN matmul of {} and {} into {} failed with status {}", to_string(op.a),
                      to_string(op.b), to_string(op.c), failure);
  return true;
}

}  // namespace swallow::cpu
