// The one way to run an op: check its arguments once for all devices, then dispatch by the stream's
// device. An op is a plain struct of Tensors and scalars with `void check() const`; each backend
// has an overload `run(Stream&, const Op&)` in its namespace, declared beside the struct.
// Asynchronous on a CUDA stream.
#pragma once

#include <typeinfo>

#include "base/check.h"
#include "device/device.h"

namespace swallow {

// Converting to Stream& while belonging to a backend's namespace is what lets an unqualified
// run(Queue, op) find that backend's overloads, whichever headers declare them.
namespace cpu {
struct Queue {
  Stream& stream;
  operator Stream&() const { return stream; }  // NOLINT(google-explicit-constructor)
};
}  // namespace cpu
namespace cuda {
struct Queue {
  Stream& stream;
  operator Stream&() const { return stream; }  // NOLINT(google-explicit-constructor)
};
}  // namespace cuda

template <class Op>
void launch(Stream& stream, const Op& op) {
  op.check();
  if (stream.device().kind == DeviceKind::cpu) return run(cpu::Queue{stream}, op);
#ifdef SWALLOW_HAS_CUDA
  if constexpr (requires { run(cuda::Queue{stream}, op); })
    return run(cuda::Queue{stream}, op);
  else
#endif
    throw DeviceError("{} has no CUDA kernel in this build", typeid(Op).name());
}

}  // namespace swallow
