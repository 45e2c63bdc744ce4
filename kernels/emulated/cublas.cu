// The functions of cuBLASLt that Basin calls: so far, a handle and no product.
#include <cublasLt.h>

#include <set>

#include "kernels/emulated/device.h"

struct cublasLtContext {};

namespace {

using namespace basin::emulated;

std::set<cublasLtHandle_t>& handles() {
  static std::set<cublasLtHandle_t> all;
  return all;
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  const std::lock_guard lock(device_lock());
  try {
    device().enter("cublasLtCreate");
  } catch (const Fault&) {
    return CUBLAS_STATUS_NOT_INITIALIZED;
  }
  *handle = new cublasLtContext;
  handles().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  const std::lock_guard lock(device_lock());
  if (handles().erase(handle) == 0) return CUBLAS_STATUS_INVALID_VALUE;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    default:
      return "an unknown cuBLAS status";
  }
}

}  // extern "C"
