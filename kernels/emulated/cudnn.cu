// The functions of cuDNN that Basin calls: handles, errors, and the graph API's descriptors, of one
// convolution a graph. A plan that is executed becomes a task on the handle's stream.
#include <cudnn_graph.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "kernels/emulated/descriptors.h"
#include "kernels/emulated/device.h"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace basin::emulated {
namespace {

std::set<cudnnHandle_t>& handles() {
  static std::set<cudnnHandle_t> all;
  return all;
}
std::map<void*, std::shared_ptr<Descriptor>>& descriptors() {
  static std::map<void*, std::shared_ptr<Descriptor>> all;
  return all;
}
std::string& last_detail() {
  thread_local std::string detail;
  return detail;
}

// Runs one call of the library: `action` throws a Refusal, or the device's Fault, where it fails.
template <class Action>
cudnnStatus_t call(const char* name, const Action& action) {
  const std::lock_guard lock(device_lock());
  try {
    device().enter(name);
    action();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refusal& refusal) {
    last_detail() = refusal.detail;
    return static_cast<cudnnStatus_t>(refusal.status);
  } catch (const Fault& fault) {
    last_detail() = fault.detail;
    switch (fault.status) {
      case Status::InvalidValue:
      case Status::InvalidHandle:
        return CUDNN_STATUS_BAD_PARAM;
      case Status::Unknown:
        return CUDNN_STATUS_INTERNAL_ERROR;
      default:
        return CUDNN_STATUS_EXECUTION_FAILED;
    }
  }
}

void require(bool condition, int status, const std::string& detail) {
  if (!condition) throw Refusal{status, detail};
}

cudnnContext& context_of(cudnnHandle_t handle) {
  require(handles().count(handle) > 0, CUDNN_STATUS_BAD_PARAM, "not a handle, or a destroyed one");
  return *handle;
}

const std::shared_ptr<Descriptor>& find(cudnnBackendDescriptor_t raw) {
  const auto found = descriptors().find(raw);
  require(found != descriptors().end(), CUDNN_STATUS_BAD_PARAM,
          "not a descriptor, or a destroyed one");
  return found->second;
}
const std::shared_ptr<Descriptor>& find_finalized(cudnnBackendDescriptor_t raw) {
  const auto& found = find(raw);
  require(found->finalized, CUDNN_STATUS_NOT_INITIALIZED,
          fmt::format("a descriptor of kind {} that is not finalised", found->kind));
  return found;
}
const Descriptor& finalized(cudnnBackendDescriptor_t raw, int kind) {
  const Descriptor& found = *find_finalized(raw);
  require(found.kind == kind, CUDNN_STATUS_BAD_PARAM,
          fmt::format("a descriptor of kind {}, where {} is expected", found.kind, kind));
  return found;
}

const Attribute& typed_attribute(const Descriptor& descriptor, int name, int type) {
  const Attribute& attribute = attribute_of(descriptor, name);
  require(attribute.type == type, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
          fmt::format("{} of type {}, where {} is expected", attribute.text, type, attribute.type));
  return attribute;
}

// The descriptor that a query is to fill.
Descriptor& to_fill(cudnnBackendDescriptor_t raw, int kind) {
  Descriptor& found = *find(raw);
  require(found.kind == kind && !found.finalized, CUDNN_STATUS_BAD_PARAM,
          fmt::format("to be filled: kind {}, expected a new one of kind {}", found.kind, kind));
  found.finalized = true;
  return found;
}

// How many elements there are; at most `n` are written.
template <class T>
int64_t write(const std::vector<T>& values, int64_t n, void* to) {
  std::copy_n(values.begin(), std::min<int64_t>(n, std::ssize(values)), static_cast<T*>(to));
  return std::ssize(values);
}

int64_t get(const Descriptor& d, int name, int64_t n, void* to) {
  auto* filled = static_cast<cudnnBackendDescriptor_t*>(to);
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      const std::vector<const Engine*> engines = engines_of(d);
      for (int64_t i = 0; i < std::min<int64_t>(n, std::ssize(engines)); ++i) {
        Descriptor& configuration = to_fill(filled[i], CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        configuration.parts = d.parts;
        configuration.convolution = d.convolution;
        configuration.engine = engines[static_cast<size_t>(i)];
      }
      return std::ssize(engines) + (n == 0 ? 1 : 0);  // asked beforehand, an upper bound
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      if (n > 0) to_fill(filled[0], CUDNN_BACKEND_ENGINE_DESCRIPTOR).engine = d.engine;
      return 1;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      return write(std::vector{d.engine->id}, n, to);
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      return write(d.engine->notes, n, to);
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
      return write(d.engine->behaviour, n, to);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      return write(std::vector{d.engine->workspace_bytes}, n, to);
    default:
      throw Refusal{CUDNN_STATUS_NOT_SUPPORTED, "an attribute that is set cannot be got here"};
  }
}

struct Operand {
  std::byte* data;
  size_t bytes;
  bool overlaps(const Operand& other) const {
    return data < other.data + other.bytes && other.data < data + bytes;
  }
};

struct Execution {
  static constexpr int kScribble = 0x77;
  Convolution convolution;
  const Engine* engine;
  std::array<Operand, 3> operands;  // x, w, y
  Operand workspace;

  const Operand& result() const {
    switch (convolution.pass) {
      case ConvolutionPass::Forward:
        return operands[2];
      case ConvolutionPass::BackwardData:
        return operands[0];
      default:
        return operands[1];
    }
  }
  // Fault where an array is not in one live buffer.
  void check_memory() const {
    const Memory& memory = device().memory();
    constexpr const char* kNames[] = {"x", "w", "y"};
    for (size_t i = 0; i < 3; ++i) memory.require(operands[i].data, operands[i].bytes, kNames[i]);
    if (workspace.bytes > 0) memory.require(workspace.data, workspace.bytes, "workspace");
  }
  void run() const {
    static uint64_t runs = 0;
    check_memory();
    if (workspace.bytes > 0) std::memset(workspace.data, kScribble, workspace.bytes);
    convolve(convolution, engine->arithmetic, ++runs, operands[0].data, operands[1].data,
             operands[2].data);
  }
};

Execution execution_of(const Descriptor& plan, const Descriptor& pack) {
  require_whole(plan);
  const auto ids = pack.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.all<std::byte*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  require(ids.size() == 3, CUDNN_STATUS_BAD_PARAM, "the pack binds other than three tensors");
  const Convolution& c = plan.convolution;
  const int64_t sizes[] = {c.shape.input_size(), c.shape.weight_size(), c.shape.output_size()};
  Execution e{c, plan.engine, {}, {}};
  const auto tensors = tensors_of(plan);
  for (size_t i = 0; i < 3; ++i) {
    const auto id = tensors[i]->one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    const auto at = std::find(ids.begin(), ids.end(), id);
    require(at != ids.end(), CUDNN_STATUS_BAD_PARAM,
            fmt::format("the pack does not bind tensor {}", id));
    e.operands[i] = {pointers[static_cast<size_t>(at - ids.begin())],
                     static_cast<size_t>(sizes[i] * c.element_bytes())};
    const auto alignment = tensors[i]->one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    require(reinterpret_cast<std::uintptr_t>(e.operands[i].data) % alignment == 0,
            CUDNN_STATUS_BAD_PARAM,
            fmt::format("tensor {} does not lie on {} bytes", id, alignment));
  }
  for (const Operand& operand : e.operands) {
    require(&operand == &e.result() || !operand.overlaps(e.result()), CUDNN_STATUS_BAD_PARAM,
            "the result overlaps an operand");
  }
  e.workspace = {pack.one<std::byte*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE),
                 static_cast<size_t>(e.engine->workspace_bytes)};
  require(reinterpret_cast<std::uintptr_t>(e.workspace.data) % 256 == 0, CUDNN_STATUS_BAD_PARAM,
          "the workspace does not lie on 256 bytes");
  for (const Operand& operand : e.operands) {
    require(!operand.overlaps(e.workspace), CUDNN_STATUS_BAD_PARAM,
            "the workspace overlaps an operand");
  }
  e.check_memory();
  return e;
}

}  // namespace

int64_t live_objects() {
  return std::ssize(handles()) + std::ssize(descriptors());
}

}  // namespace basin::emulated

using namespace basin::emulated;

extern "C" {

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
#define BASIN_NAME(name)    \
  case CUDNN_STATUS_##name: \
    return "CUDNN_STATUS_" #name
    BASIN_NAME(SUCCESS);
    BASIN_NAME(NOT_INITIALIZED);
    BASIN_NAME(BAD_PARAM);
    BASIN_NAME(BAD_PARAM_ATTRIBUTE_TYPE);
    BASIN_NAME(NOT_SUPPORTED);
    BASIN_NAME(NOT_SUPPORTED_SHAPE);
    BASIN_NAME(NOT_SUPPORTED_DATA_TYPE);
    BASIN_NAME(NOT_SUPPORTED_LAYOUT);
    BASIN_NAME(NOT_SUPPORTED_ARCH_MISMATCH);
    BASIN_NAME(INTERNAL_ERROR);
    BASIN_NAME(EXECUTION_FAILED);
#undef BASIN_NAME
    default:
      return "a status that is not emulated";
  }
}

void cudnnGetLastErrorString(char* message, size_t size) {
  const std::string detail = std::exchange(last_detail(), "");
  if (size > 0) message[detail.copy(message, size - 1)] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return call("cudnnCreate", [&] {
    *handle = new cudnnContext;
    handles().insert(*handle);
  });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  const std::lock_guard lock(device_lock());
  if (handles().erase(handle) == 0) return CUDNN_STATUS_BAD_PARAM;
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return call("cudnnSetStream", [&] { context_of(handle).stream = stream; });
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t kind,
                                           cudnnBackendDescriptor_t* descriptor) {
  return call("cudnnBackendCreateDescriptor", [&] {
    const auto made = std::make_shared<Descriptor>(kind);
    descriptors().emplace(made.get(), made);
    *descriptor = made.get();
  });
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  const std::lock_guard lock(device_lock());
  const auto found = descriptors().find(descriptor);
  if (found == descriptors().end()) return CUDNN_STATUS_BAD_PARAM;
  found->second->destroyed = true;
  descriptors().erase(found);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* elements) {
  return call("cudnnBackendSetAttribute", [&] {
    Descriptor& d = *find(descriptor);
    require(!d.finalized, CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised already");
    const Attribute& attribute = typed_attribute(d, name, type);
    require(
        count >= 1 && count <= attribute.most, CUDNN_STATUS_BAD_PARAM,
        fmt::format("{} of {} elements, expected 1 to {}", attribute.text, count, attribute.most));
    require(elements != nullptr, CUDNN_STATUS_BAD_PARAM, attribute.text);
    if (attribute.part != kNoPart) {
      const auto& part = find_finalized(*static_cast<const cudnnBackendDescriptor_t*>(elements));
      require(may_hold(attribute, *part), CUDNN_STATUS_BAD_PARAM,
              fmt::format("{} of kind {}", attribute.text, part->kind));
      d.parts[name] = part;
      return;
    }
    if (type == CUDNN_TYPE_HANDLE) context_of(*static_cast<const cudnnHandle_t*>(elements));
    const auto* bytes = static_cast<const std::byte*>(elements);
    d.values[name].assign(bytes, bytes + static_cast<size_t>(count) * element_bytes(attribute));
  });
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return call("cudnnBackendFinalize", [&] { finalize(*find(descriptor)); });
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t requested,
                                       int64_t* count, void* elements) {
  return call("cudnnBackendGetAttribute", [&] {
    const Descriptor& d = *find_finalized(descriptor);
    typed_attribute(d, name, type);
    require(requested >= 0, CUDNN_STATUS_BAD_PARAM, fmt::format("{} elements", requested));
    require(requested == 0 || elements != nullptr, CUDNN_STATUS_BAD_PARAM,
            "no place for the elements");
    const int64_t found = get(d, name, requested, elements);
    if (count != nullptr) *count = found;
  });
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  return call("cudnnBackendExecute", [&] {
    const cudnnContext& context = context_of(handle);
    const Execution execution =
        execution_of(finalized(plan, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR),
                     finalized(pack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR));
    const auto text = to_string(execution.convolution.shape);
    device().put(reinterpret_cast<Queue*>(context.stream),
                 Task{"cudnn: " + text, [execution] { execution.run(); }, nullptr});
  });
}

}  // extern "C"
