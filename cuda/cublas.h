// Calls of cuBLASLt that are checked, and owners of its objects.
#pragma once

#include <cublasLt.h>

#include <memory>

#include "library.h"

namespace swallow::cuda {

/// Throws DeviceError with the expression, the status's name, and the place.
[[noreturn]] void throw_cublas_error(cublasStatus_t status, const char* expression,
                                     const char* file, int line);

inline void check(cublasStatus_t status, const char* expression, const char* file, int line) {
  if (status != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    throw_cublas_error(status, expression, file, line);
}

/// One of cuBLASLt's descriptors. The library that made it must stay open.
template <class Opaque>
using LtDescriptor = std::unique_ptr<Opaque, cublasStatus_t (*)(Opaque*)>;

/// cuBLASLt on the device that is current when it is made. Neither copied nor moved.
class LtContext {
 public:
  LtContext();
  LtContext(const LtContext&) = delete;
  LtContext& operator=(const LtContext&) = delete;
  ~LtContext();

  [[nodiscard]] cublasLtHandle_t handle() const noexcept { return handle_; }

  const CublasLt functions;

 private:
  int device_ = 0;
  cublasLtHandle_t handle_ = nullptr;
};

}  // namespace swallow::cuda

#define CUBLAS_CHECK(expression) \
  ::swallow::cuda::check((expression), #expression, __FILE__, __LINE__)
