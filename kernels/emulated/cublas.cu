// The functions of cuBLASLt that Basin calls, with their signatures from CUDA's headers: strict
// about what the library's documentation asks for, and hostile where it leaves room.
#include "kernels/emulated/cublas.h"

#include <cublasLt.h>
#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <deque>
#include <map>

#include "kernels/emulated/call.h"
#include "kernels/emulated/matmul.h"

struct cublasLtContext {};

namespace basin::emulated {
namespace {

struct Handle {};

// The live objects of one kind, by the address that the caller holds. No address is given out
// twice, so that what was destroyed stays so.
template <class Opaque, class Value>
class Objects {
 public:
  explicit Objects(const char* kind) : kind_(kind) {}
  Opaque* make(const Value& value) {
    Opaque* opaque = &addresses_.emplace_back();
    values_.emplace(opaque, value);
    return opaque;
  }
  Value& at(const Opaque* opaque) {
    const auto found = values_.find(opaque);
    if (found == values_.end()) {
      throw Fault{Status::InvalidValue, fmt::format("not a {}, or one that was destroyed", kind_)};
    }
    return found->second;
  }
  bool drop(const Opaque* opaque) { return values_.erase(opaque) == 1; }
  size_t count() const { return values_.size(); }

 private:
  const char* kind_;
  std::deque<Opaque> addresses_;
  std::map<const Opaque*, Value> values_;
};

struct Library {
  Objects<cublasLtContext, Handle> handles{"handle"};
  Objects<cublasLtMatmulDescOpaque_t, Operation> operations{"matmul descriptor"};
  Objects<cublasLtMatrixLayoutOpaque_t, Layout> layouts{"matrix layout"};
  Objects<cublasLtMatmulPreferenceOpaque_t, Preference> preferences{"preference"};
};
Library& library() {  // every use holds the device's lock
  static Library all;
  return all;
}

static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

// The last failure of this thread, for the text of its status.
struct LastStatus {
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  std::string detail, text;
};
LastStatus& last_status() {
  static thread_local LastStatus last;
  return last;
}

// Runs one call: `action` throws a Fault where it fails.
template <class Action>
cublasStatus_t library_call(const char* name, const Action& action) {
  const Fault fault = attempt(name, action);
  if (fault.status == Status::Success) return CUBLAS_STATUS_SUCCESS;
  const bool invalid =
      fault.status == Status::InvalidValue || fault.status == Status::InvalidHandle;
  const auto status = invalid ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_EXECUTION_FAILED;
  last_status() = {status, fault.detail, ""};
  return status;
}

// Comes from destructors: never asked to fail, and works on a device that has faulted.
template <class Opaque, class Value>
cublasStatus_t destroy(Objects<Opaque, Value>& objects, const Opaque* opaque) {
  const std::lock_guard lock(device_lock());
  return objects.drop(opaque) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

template <class Value>
void set(Value& value, const void* from, size_t bytes) {
  require(from != nullptr, "no value for the attribute");
  if (bytes != sizeof(Value)) {
    throw Fault{Status::InvalidValue,
                fmt::format("an attribute of {} bytes, expected {}", bytes, sizeof(Value))};
  }
  std::memcpy(&value, from, bytes);
}

Type type_of(cudaDataType_t type) {
  require(type == CUDA_R_32F || type == CUDA_R_64F, "a type of data that is not emulated");
  return type == CUDA_R_64F ? Type::Float64 : Type::Float32;
}

Problem problem_of(cublasLtMatmulDesc_t op, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                   cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  auto& layouts = library().layouts;
  const Problem problem{library().operations.at(op), layouts.at(a), layouts.at(b), layouts.at(c),
                        layouts.at(d)};
  problem.check();
  return problem;
}

// alpha or beta, which lie in the host's memory.
double scalar(const Problem& p, const void* at) {
  require(at != nullptr && !device().memory().owns(at), "alpha and beta lie on the host");
  return p.op.compute == Type::Float64 ? *static_cast<const double*>(at)
                                       : *static_cast<const float*>(at);
}

}  // namespace

size_t live_cublas_objects() {
  const std::lock_guard lock(device_lock());
  const Library& all = library();
  return all.handles.count() + all.operations.count() + all.layouts.count() +
         all.preferences.count();
}

}  // namespace basin::emulated

using namespace basin::emulated;

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return library_call("cublasLtCreate", [&] { *handle = library().handles.make({}); });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy(library().handles, handle);
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
  LastStatus& last = last_status();
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      last.text = "CUBLAS_STATUS_SUCCESS";
      break;
    case CUBLAS_STATUS_INVALID_VALUE:
      last.text = "CUBLAS_STATUS_INVALID_VALUE";
      break;
    case CUBLAS_STATUS_EXECUTION_FAILED:
      last.text = "CUBLAS_STATUS_EXECUTION_FAILED";
      break;
    default:
      last.text = "a status that is not emulated";
  }
  if (status == last.status && !last.detail.empty()) last.text += ": " + last.detail;
  return last.text.c_str();
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* op, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  return library_call("cublasLtMatmulDescCreate", [&] {
    require(compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                compute == CUBLAS_COMPUTE_64F,
            "a type of computation that is not emulated");
    *op = library().operations.make(
        {compute == CUBLAS_COMPUTE_64F ? Type::Float64 : Type::Float32, type_of(scale),
         compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? Significand::Tf32 : Significand::Whole});
  });
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t op) {
  return destroy(library().operations, op);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t op,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  return library_call("cublasLtMatmulDescSetAttribute", [&] {
    Operation& to = library().operations.at(op);
    require(attribute == CUBLASLT_MATMUL_DESC_TRANSA || attribute == CUBLASLT_MATMUL_DESC_TRANSB,
            "an attribute of the product that is not emulated");
    int32_t transpose = CUBLAS_OP_N;
    set(transpose, value, bytes);
    require(transpose == CUBLAS_OP_N || transpose == CUBLAS_OP_T, "not a transpose");
    (attribute == CUBLASLT_MATMUL_DESC_TRANSA ? to.a_transposed : to.b_transposed) =
        transpose == CUBLAS_OP_T;
  });
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t ld) {
  return library_call("cublasLtMatrixLayoutCreate", [&] {
    *layout =
        library().layouts.make({.type = type_of(type), .rows = rows, .columns = columns, .ld = ld});
  });
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t bytes) {
  return library_call("cublasLtMatrixLayoutSetAttribute", [&] {
    Layout& to = library().layouts.at(layout);
    require(attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT ||
                attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
            "an attribute of the matrix that is not emulated");
    if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return set(to.count, value, bytes);
    set(to.stride, value, bytes);
  });
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy(library().layouts, layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return library_call("cublasLtMatmulPreferenceCreate",
                      [&] { *preference = library().preferences.make({}); });
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(library().preferences, preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  return library_call("cublasLtMatmulPreferenceSetAttribute", [&] {
    Preference& to = library().preferences.at(preference);
    switch (attribute) {
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return set(to.workspace, value, bytes);
      case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: {
        uint32_t mask = 0;
        set(mask, value, bytes);
        to.in_place = (mask & CUBLASLT_REDUCTION_SCHEME_INPLACE) != 0;
        to.by_workspace = (mask & (CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE |
                                   CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE)) != 0;
        return;
      }
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return set(to.alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
                   bytes);
      default:
        throw Fault{Status::InvalidValue, "a preference that is not emulated"};
    }
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t op,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t found[], int* count) {
  return library_call("cublasLtMatmulAlgoGetHeuristic", [&] {
    library().handles.at(handle);
    require(requested >= 1 && found != nullptr && count != nullptr, "no algorithm is asked for");
    const Problem problem = problem_of(op, a, b, c, d);
    *count = 0;
    if (std::max({problem.m(), problem.n(), problem.k()}) > INT_MAX) return;
    // Where there is room, the first is one that cannot run after all.
    const Algorithm algorithm = algorithm_for(problem, library().preferences.at(preference));
    *count = std::min(requested, 2);
    for (int i = 0; i < *count; ++i) {
      std::memset(&found[i], 0xff, sizeof(found[i]));
      found[i].state = CUBLAS_STATUS_NOT_SUPPORTED;
    }
    cublasLtMatmulHeuristicResult_t& last = found[*count - 1];
    last.state = CUBLAS_STATUS_SUCCESS;
    last.workspaceSize = algorithm.workspace;
    std::memcpy(&last.algo, &algorithm, sizeof(algorithm));
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t op, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo,
                              void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  return library_call("cublasLtMatmul", [&] {
    library().handles.at(handle);
    const Problem problem = problem_of(op, a_layout, b_layout, c_layout, d_layout);
    require(algo != nullptr, "no algorithm");
    Algorithm algorithm;
    std::memcpy(&algorithm, algo, sizeof(algorithm));
    algorithm.check(problem);
    const Matmul matmul{problem,
                        algorithm,
                        a,
                        b,
                        c,
                        d,
                        workspace,
                        workspace_bytes,
                        scalar(problem, alpha),
                        scalar(problem, beta)};
    matmul.check();
    device().put(queue_of(stream), Task{"cublasLtMatmul", [matmul] { matmul.run(); }, nullptr});
  });
}

}  // extern "C"
