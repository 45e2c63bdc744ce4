// A convolution's pass as a graph of one operation, its engine, and its plan.
#include "kernels/cudnn.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "kernels/launch.cuh"

namespace basin::cuda {
namespace {

// What the library calls the type of an attribute's elements.
constexpr auto type_of(int64_t) {
  return CUDNN_TYPE_INT64;
}
constexpr auto type_of(float) {
  return CUDNN_TYPE_FLOAT;
}
constexpr auto type_of(void*) {
  return CUDNN_TYPE_VOID_PTR;
}
constexpr auto type_of(cudnnHandle_t) {
  return CUDNN_TYPE_HANDLE;
}
constexpr auto type_of(cudnnDataType_t) {
  return CUDNN_TYPE_DATA_TYPE;
}
constexpr auto type_of(cudnnConvolutionMode_t) {
  return CUDNN_TYPE_CONVOLUTION_MODE;
}
constexpr auto type_of(cudnnBackendHeurMode_t) {
  return CUDNN_TYPE_HEUR_MODE;
}
constexpr auto type_of(cudnnBackendNumericalNote_t) {
  return CUDNN_TYPE_NUMERICAL_NOTE;
}
constexpr auto type_of(cudnnBackendBehaviorNote_t) {
  return CUDNN_TYPE_BEHAVIOR_NOTE;
}

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t kind) {
    BASIN_CUDA_CALL(cudnnBackendCreateDescriptor(kind, &raw_));
  }
  ~Descriptor() {
    if (raw_ != nullptr) cudnnBackendDestroyDescriptor(raw_);
  }
  Descriptor(Descriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return raw_; }

  template <class T>
  void set(cudnnBackendAttributeName_t name, const T& value) {
    BASIN_CUDA_CALL(cudnnBackendSetAttribute(raw_, name, type_of(value), 1, &value));
  }
  template <class T, size_t n>
  void set(cudnnBackendAttributeName_t name, const std::array<T, n>& values) {
    BASIN_CUDA_CALL(cudnnBackendSetAttribute(raw_, name, type_of(T{}), n, values.data()));
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    BASIN_CUDA_CALL(
        cudnnBackendSetAttribute(raw_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.raw_));
  }

  void finalize() { BASIN_CUDA_CALL(cudnnBackendFinalize(raw_)); }
  // False where the library says that it has nothing for this, or could not compile it.
  bool is_supported() {
    const cudnnStatus_t status = cudnnBackendFinalize(raw_);
    if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return false;
    if (status == CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED) return false;
    check(status, "cudnnBackendFinalize");
    return true;
  }

  // At most `most` elements of the attribute.
  template <class T>
  std::vector<T> values(cudnnBackendAttributeName_t name, int64_t most) const {
    std::vector<T> found(static_cast<size_t>(most));
    int64_t count = 0;
    BASIN_CUDA_CALL(cudnnBackendGetAttribute(raw_, name, type_of(T{}), most, &count, found.data()));
    found.resize(static_cast<size_t>(std::min(count, most)));
    return found;
  }
  int64_t value(cudnnBackendAttributeName_t name) const { return values<int64_t>(name, 1).at(0); }
  // The descriptors that the attribute holds, which are of one kind.
  std::vector<Descriptor> descriptors(cudnnBackendAttributeName_t name,
                                      cudnnBackendDescriptorType_t kind) const {
    constexpr auto type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    int64_t count = 0;
    BASIN_CUDA_CALL(cudnnBackendGetAttribute(raw_, name, type, 0, &count, nullptr));
    std::vector<Descriptor> found;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (int64_t i = 0; i < count; ++i) raw.push_back(found.emplace_back(kind).raw_);
    BASIN_CUDA_CALL(cudnnBackendGetAttribute(raw_, name, type, count, &count, raw.data()));
    found.erase(found.begin() + count, found.end());
    return found;
  }

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

constexpr std::array<int64_t, 3> kIds = {'x', 'w', 'y'};

const char* name_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::Forward:
      return "forward";
    case ConvPass::BackwardData:
      return "data gradient";
    default:
      return "weight gradient";
  }
}

// [n, h, w, c] in memory; the library orders the extents n, c, h, w.
Descriptor tensor(int64_t id, cudnnDataType_t type, int64_t n, int64_t h, int64_t w, int64_t c) {
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::array{n, c, h, w});
  d.set(CUDNN_ATTR_TENSOR_STRIDES, std::array{h * w * c, int64_t{1}, w * c, c});
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16});
  d.finalize();
  return d;
}

Descriptor convolution(const ConvShape& s) {
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2});
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::array{s.stride, s.stride});
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::array{s.padding, s.padding});
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::array{s.padding, s.padding});
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::array{int64_t{1}, int64_t{1}});
  d.finalize();
  return d;
}

// What the library calls an operation and its attributes.
struct OperationNames {
  cudnnBackendDescriptorType_t kind;
  cudnnBackendAttributeName_t alpha, beta, convolution, x, w, y;
};
constexpr OperationNames kForward = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
constexpr OperationNames kBackwardData = {
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};
constexpr OperationNames kBackwardFilter = {
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};

const OperationNames& names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::Forward:
      return kForward;
    case ConvPass::BackwardData:
      return kBackwardData;
    default:
      return kBackwardFilter;
  }
}

// The graph of the one operation, last; before it what it refers to.
std::vector<Descriptor> graph_of(cudnnHandle_t handle, const ConvShape& s, ConvPass pass,
                                 cudnnDataType_t type) {
  std::vector<Descriptor> parts;
  parts.push_back(tensor(kIds[0], type, s.n, s.h, s.w, s.c_in));
  parts.push_back(tensor(kIds[1], type, s.c_out, s.kernel, s.kernel, s.c_in));
  parts.push_back(tensor(kIds[2], type, s.n, s.h_out(), s.w_out(), s.c_out));
  parts.push_back(convolution(s));
  const OperationNames& names = names_of(pass);
  Descriptor operation(names.kind);
  operation.set(names.x, parts[0]);
  operation.set(names.w, parts[1]);
  operation.set(names.y, parts[2]);
  operation.set(names.convolution, parts[3]);
  operation.set(names.alpha, 1.0F);
  operation.set(names.beta, 0.0F);
  operation.finalize();
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  graph.finalize();
  parts.push_back(std::move(operation));
  parts.push_back(std::move(graph));
  return parts;
}

// The engines that the heuristic names, the best first, each configured.
std::vector<Descriptor> configurations(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (!heuristic.is_supported()) return {};
  return heuristic.descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
}

struct Engine {
  std::string name;
  std::vector<cudnnBackendNumericalNote_t> numerics;
  std::vector<cudnnBackendBehaviorNote_t> behaviour;

  bool has(cudnnBackendNumericalNote_t note) const {
    return std::find(numerics.begin(), numerics.end(), note) != numerics.end();
  }
  bool has(cudnnBackendBehaviorNote_t note) const {
    return std::find(behaviour.begin(), behaviour.end(), note) != behaviour.end();
  }
};

Engine engine_of(const Descriptor& configuration) {
  const Descriptor descriptor = std::move(
      configuration.descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR)
          .at(0));
  Engine engine{std::to_string(descriptor.value(CUDNN_ATTR_ENGINE_GLOBAL_INDEX)),
                descriptor.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                               CUDNN_NUMERICAL_NOTE_TYPE_COUNT),
                descriptor.values<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                                              CUDNN_BEHAVIOR_NOTE_TYPE_COUNT)};
  if (engine.has(CUDNN_NUMERICAL_NOTE_WINOGRAD)) engine.name += " winograd";
  if (engine.has(CUDNN_NUMERICAL_NOTE_FFT)) engine.name += " fourier";
  return engine;
}

struct Rules {
  bool tensor_cores;  // which multiply float32 as TF32
  bool transforms;    // Winograd's and Fourier's, whose rounding is that of larger numbers
  bool any_order;     // of sums, another one in every run

  bool allow(const Engine& engine) const {
    if (!any_order && engine.has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) return false;
    if (engine.has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) ||
        engine.has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) ||
        engine.has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)) {
      return false;
    }
    if (!tensor_cores && engine.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) return false;
    return transforms ||
           !(engine.has(CUDNN_NUMERICAL_NOTE_WINOGRAD) || engine.has(CUDNN_NUMERICAL_NOTE_FFT));
  }
};

}  // namespace

struct ConvPlan::Parts {
  std::string what;  // for errors
  // What the plan needs (the library does not say that it copies it).
  std::shared_ptr<const std::vector<Descriptor>> graph;
  Descriptor configuration, plan;
  std::string engine;
  int64_t workspace_bytes;
};

ConvPlan::ConvPlan(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ConvPlan::~ConvPlan() = default;
ConvPlan::ConvPlan(ConvPlan&&) noexcept = default;
ConvPlan& ConvPlan::operator=(ConvPlan&&) noexcept = default;

std::vector<ConvPlan> ConvPlan::fitting(const Stream& stream, const ConvShape& shape, ConvPass pass,
                                        ConvElement element, ConvAlgorithm algorithm, size_t most) {
  const std::string what = fmt::format("{} of {}", name_of(pass), to_string(shape));
  const CudaStream& device = stream.cuda_stream();
  const bool is_float = element == ConvElement::Float;
  const Rules rules{!is_float || device.tf32 == Tf32::Yes,
                    is_float && algorithm != ConvAlgorithm::Direct,
                    algorithm == ConvAlgorithm::Measured};
  std::vector<ConvPlan> plans;
  size_t offered = 0;
  try {
    BASIN_CUDA_CALL(cudaSetDevice(device.index));
    const auto graph = std::make_shared<const std::vector<Descriptor>>(
        graph_of(device.dnn, shape, pass, is_float ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16));
    // On an H100 mode B's first engines need 0.75 to 0.93 of the time of mode A's.
    for (const auto mode : {CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      auto all = configurations(graph->back(), mode);
      offered += all.size();
      size_t fit = 0;
      for (Descriptor& configuration : all) {
        if (fit == most) break;
        Engine engine = engine_of(configuration);
        if (!rules.allow(engine)) continue;
        Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, device.dnn);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
        if (!plan.is_supported()) continue;
        const int64_t bytes = plan.value(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
        if (bytes > kMostWorkspace) continue;
        plans.push_back(
            ConvPlan(std::make_unique<Parts>(what, graph, std::move(configuration), std::move(plan),
                                             std::move(engine.name), bytes)));
        ++fit;
      }
      if (most == 1 && fit == 1) break;
    }
    if (!plans.empty()) return plans;
    const char* precision = !is_float ? "bfloat16" : rules.tensor_cores ? "TF32" : "float32";
    fail_run("[cudnn]",
             "found {} engines, expected one that sums in one order, in {}, in {} MiB of workspace",
             offered, precision, kMostWorkspace >> 20);
  } catch (const Error& error) {
    throw Error(error.kind(), what + ": " + error.what());
  }
}

int64_t ConvPlan::workspace_bytes() const {
  return parts_->workspace_bytes;
}

std::string ConvPlan::engine() const {
  return parts_->engine;
}

void ConvPlan::run(const Stream& stream, const void* x, const void* w, const void* y,
                   void* workspace) const {
  CudaStream& device = stream.cuda_stream();
  BASIN_CUDA_CALL(cudaSetDevice(device.index));
  BASIN_CUDA_CALL(cudnnSetStream(device.dnn, device.stream));
  // A pack binds pointers and cannot be changed once it is finalised, so each call has its own.
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, kIds);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
           std::array{const_cast<void*>(x), const_cast<void*>(w), const_cast<void*>(y)});
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
  pack.finalize();
  check(cudnnBackendExecute(device.dnn, parts_->plan.get(), pack.get()), parts_->what.c_str());
}

}  // namespace basin::cuda
