#include "cublas.h"

#include "base/check.h"
#include "check.h"

namespace swallow::cuda {

namespace {

const char* name_of(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_LICENSE_ERROR:
      return "CUBLAS_STATUS_LICENSE_ERROR";
  }
  return "of an unknown kind";
}

}  // namespace

void throw_cublas_error(cublasStatus_t status, const char* expression, const char* file, int line) {
  throw DeviceError("cuBLASLt: {} (status {}) from {} at {}:{}", name_of(status),
                    static_cast<int>(status), expression, file, line);
}

LtContext::LtContext() {
  CUDA_CHECK(cudaGetDevice(&device_));
  CUBLAS_CHECK(functions.create(&handle_));
}

LtContext::~LtContext() {
  cudaSetDevice(device_);
  functions.destroy(handle_);
}

}  // namespace swallow::cuda
