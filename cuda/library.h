// cuBLASLt, cuDNN and NCCL, opened at run time: the binary starts in milliseconds, and also where
// none of them is installed (linking cuBLASLt alone costs 85 ms and 210 MB per process). Function
// types come from the libraries' own headers, so that a wrong call does not compile.
#pragma once

#include <cublasLt.h>
#include <cudnn.h>
#include <nccl.h>

#include <memory>
#include <string>
#include <vector>

#include "device/devices.h"

namespace swallow::cuda {

/// A shared library found by the loader's rules (LD_LIBRARY_PATH, ld.so.conf). Move-only.
class SharedLibrary {
 public:
  /// Never throws for a library that is not there: see problem().
  explicit SharedLibrary(const char* file);

  /// Empty when the library is open, otherwise the loader's words.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  /// The function `name`; throws DeviceError when the library is not open or lacks it.
  template <class Function>
  [[nodiscard]] Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  struct Close {
    void operator()(void* handle) const noexcept;
  };

  [[nodiscard]] void* symbol(const char* name) const;

  std::string file_;
  std::unique_ptr<void, Close> handle_;
  std::string problem_;
};

// The functions we call of each library; constructing one throws DeviceError where it is absent.

struct CublasLt {
  static constexpr const char* kFile = "libcublasLt.so.13";
  SharedLibrary library{kFile};
  decltype(cublasLtGetVersion)* get_version =
      library.function<decltype(cublasLtGetVersion)>("cublasLtGetVersion");
  decltype(cublasLtCreate)* create = library.function<decltype(cublasLtCreate)>("cublasLtCreate");
  decltype(cublasLtDestroy)* destroy =
      library.function<decltype(cublasLtDestroy)>("cublasLtDestroy");
  decltype(cublasLtMatmulDescCreate)* create_desc =
      library.function<decltype(cublasLtMatmulDescCreate)>("cublasLtMatmulDescCreate");
  decltype(cublasLtMatmulDescDestroy)* destroy_desc =
      library.function<decltype(cublasLtMatmulDescDestroy)>("cublasLtMatmulDescDestroy");
  decltype(cublasLtMatmulDescSetAttribute)* set_desc =
      library.function<decltype(cublasLtMatmulDescSetAttribute)>("cublasLtMatmulDescSetAttribute");
  decltype(cublasLtMatrixLayoutCreate)* create_layout =
      library.function<decltype(cublasLtMatrixLayoutCreate)>("cublasLtMatrixLayoutCreate");
  decltype(cublasLtMatrixLayoutDestroy)* destroy_layout =
      library.function<decltype(cublasLtMatrixLayoutDestroy)>("cublasLtMatrixLayoutDestroy");
  decltype(cublasLtMatmulPreferenceCreate)* create_preference =
      library.function<decltype(cublasLtMatmulPreferenceCreate)>("cublasLtMatmulPreferenceCreate");
  decltype(cublasLtMatmulPreferenceDestroy)* destroy_preference =
      library.function<decltype(cublasLtMatmulPreferenceDestroy)>(
          "cublasLtMatmulPreferenceDestroy");
  decltype(cublasLtMatmulPreferenceSetAttribute)* set_preference =
      library.function<decltype(cublasLtMatmulPreferenceSetAttribute)>(
          "cublasLtMatmulPreferenceSetAttribute");
  decltype(cublasLtMatmulAlgoGetHeuristic)* get_heuristic =
      library.function<decltype(cublasLtMatmulAlgoGetHeuristic)>("cublasLtMatmulAlgoGetHeuristic");
  decltype(cublasLtMatmulAlgoCheck)* check_algorithm =
      library.function<decltype(cublasLtMatmulAlgoCheck)>("cublasLtMatmulAlgoCheck");
  decltype(cublasLtMatmul)* matmul = library.function<decltype(cublasLtMatmul)>("cublasLtMatmul");
};

struct Cudnn {
  static constexpr const char* kFile = "libcudnn.so.9";
  SharedLibrary library{kFile};
  decltype(cudnnGetVersion)* get_version =
      library.function<decltype(cudnnGetVersion)>("cudnnGetVersion");
  decltype(cudnnGetErrorString)* get_error_string =
      library.function<decltype(cudnnGetErrorString)>("cudnnGetErrorString");
  decltype(cudnnGetLastErrorString)* get_last_error_string =
      library.function<decltype(cudnnGetLastErrorString)>("cudnnGetLastErrorString");
  decltype(cudnnCreate)* create = library.function<decltype(cudnnCreate)>("cudnnCreate");
  decltype(cudnnDestroy)* destroy = library.function<decltype(cudnnDestroy)>("cudnnDestroy");
  decltype(cudnnSetStream)* set_stream =
      library.function<decltype(cudnnSetStream)>("cudnnSetStream");
  decltype(cudnnBackendCreateDescriptor)* create_descriptor =
      library.function<decltype(cudnnBackendCreateDescriptor)>("cudnnBackendCreateDescriptor");
  decltype(cudnnBackendDestroyDescriptor)* destroy_descriptor =
      library.function<decltype(cudnnBackendDestroyDescriptor)>("cudnnBackendDestroyDescriptor");
  decltype(cudnnBackendSetAttribute)* set_attribute =
      library.function<decltype(cudnnBackendSetAttribute)>("cudnnBackendSetAttribute");
  decltype(cudnnBackendGetAttribute)* get_attribute =
      library.function<decltype(cudnnBackendGetAttribute)>("cudnnBackendGetAttribute");
  decltype(cudnnBackendFinalize)* finalize =
      library.function<decltype(cudnnBackendFinalize)>("cudnnBackendFinalize");
  decltype(cudnnBackendExecute)* execute =
      library.function<decltype(cudnnBackendExecute)>("cudnnBackendExecute");
};

struct Nccl {
  static constexpr const char* kFile = "libnccl.so.2";
  SharedLibrary library{kFile};
  decltype(ncclGetVersion)* get_version =
      library.function<decltype(ncclGetVersion)>("ncclGetVersion");
  decltype(ncclGetUniqueId)* get_unique_id =
      library.function<decltype(ncclGetUniqueId)>("ncclGetUniqueId");
  decltype(ncclCommInitRankConfig)* comm_init_rank_config =
      library.function<decltype(ncclCommInitRankConfig)>("ncclCommInitRankConfig");
  decltype(ncclCommGetAsyncError)* comm_get_async_error =
      library.function<decltype(ncclCommGetAsyncError)>("ncclCommGetAsyncError");
  decltype(ncclCommFinalize)* comm_finalize =
      library.function<decltype(ncclCommFinalize)>("ncclCommFinalize");
  decltype(ncclCommDestroy)* comm_destroy =
      library.function<decltype(ncclCommDestroy)>("ncclCommDestroy");
  decltype(ncclCommAbort)* comm_abort = library.function<decltype(ncclCommAbort)>("ncclCommAbort");
  decltype(ncclAllReduce)* all_reduce = library.function<decltype(ncclAllReduce)>("ncclAllReduce");
  decltype(ncclReduceScatter)* reduce_scatter =
      library.function<decltype(ncclReduceScatter)>("ncclReduceScatter");
  decltype(ncclAllGather)* all_gather = library.function<decltype(ncclAllGather)>("ncclAllGather");
  decltype(ncclBroadcast)* broadcast = library.function<decltype(ncclBroadcast)>("ncclBroadcast");
  decltype(ncclSend)* send = library.function<decltype(ncclSend)>("ncclSend");
  decltype(ncclRecv)* recv = library.function<decltype(ncclRecv)>("ncclRecv");
  decltype(ncclGroupStart)* group_start =
      library.function<decltype(ncclGroupStart)>("ncclGroupStart");
  decltype(ncclGroupEnd)* group_end = library.function<decltype(ncclGroupEnd)>("ncclGroupEnd");
  decltype(ncclGetErrorString)* get_error_string =
      library.function<decltype(ncclGetErrorString)>("ncclGetErrorString");
  decltype(ncclGetLastError)* get_last_error =
      library.function<decltype(ncclGetLastError)>("ncclGetLastError");
};

/// The three of them, absent ones with the reason.
[[nodiscard]] std::vector<LibraryVersion> library_versions();

}  // namespace swallow::cuda
