// The one way to run an op: check its arguments once for all devices, then dispatch by the stream's
// device. An op is a plain struct of Tensors and scalars with `void check() const`; each backend
// has an overload of `run` in its namespace, declared beside the struct. Asynchronous on a CUDA
// stream.
#pragma once

#include <typeinfo>

#include "base/check.h"
#include "device/device.h"

namespace swallow {

namespace cpu {
void run() = delete;  // names the overload set; each op's header declares its own overload
}
namespace cuda {
void run() = delete;
}

template <class Op>
void launch(Stream& stream, const Op& op) {
  op.check();
  if (stream.device().kind == DeviceKind::cpu) return cpu::run(stream, op);
  throw DeviceError("{} has no CUDA kernel in this build", typeid(Op).name());
}

}  // namespace swallow
