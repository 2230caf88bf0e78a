#include "kernels/swiglu.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/prefetch.h"
#include "kernels/cpu/row_choice.h"

namespace swallow::cpu {

namespace {

template <class T>
void forward(Stream& stream, const SwigluForward& op) {
  const auto* gate_up = op.gate_up.as<T>();
  auto* y = op.y.as<T>();
  const int64_t width = op.y.size(1);
  parallel_for(stream, op.y.size(0), [=, swiglu = rows_for<T>(stream).swiglu](int64_t row) {
    prefetch_after(gate_up + row * 2 * width, 2 * width);
    swiglu(width, gate_up + row * 2 * width, y + row * width);
  });
}

template <class T>
void backward(Stream& stream, const SwigluBackward& op) {
  const auto* gate_up = op.gate_up.as<T>();
  const auto* dy = op.dy.as<T>();
  auto* dgate_up = op.dgate_up.as<T>();
  const int64_t width = op.dy.size(1);
  parallel_for(
      stream, op.dy.size(0), [=, backward = rows_for<T>(stream).swiglu_backward](int64_t row) {
        prefetch_after(gate_up + row * 2 * width, 2 * width);
        prefetch_after(dy + row * width, width);
        backward(width, gate_up + row * 2 * width, dy + row * width, dgate_up + row * 2 * width);
      });
}

}  // namespace

void run(Stream& stream, const SwigluForward& op) {
  visit_dtype(op.y.dtype, [&]<class T>(std::type_identity<T>) { forward<T>(stream, op); });
}

void run(Stream& stream, const SwigluBackward& op) {
  visit_dtype(op.dy.dtype, [&]<class T>(std::type_identity<T>) { backward<T>(stream, op); });
}

}  // namespace swallow::cpu
