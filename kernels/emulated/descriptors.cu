// What cuDNN's descriptors are held to on the emulated device, and the engines that it has.
#include "kernels/emulated/descriptors.h"

#include <cudnn_graph.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace basin::emulated {
namespace {

using Extents = std::vector<int64_t>;

#define BASIN_KIND(kind) CUDNN_BACKEND_##kind##_DESCRIPTOR
#define BASIN_SET(kind, name, type, most) \
  { BASIN_KIND(kind), CUDNN_ATTR_##name, CUDNN_TYPE_##type, most, kNoPart, #name }
#define BASIN_PART(kind, name, part) \
  { BASIN_KIND(kind), CUDNN_ATTR_##name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, part, #name }
#define BASIN_GET(kind, name, type) BASIN_SET(kind, name, type, 0)
#define BASIN_OPERATION(kind, name, x, w, y)                                       \
  BASIN_SET(kind, name##_ALPHA, FLOAT, 1), BASIN_SET(kind, name##_BETA, FLOAT, 1), \
      BASIN_PART(kind, name##_CONV_DESC, BASIN_KIND(CONVOLUTION)),                 \
      BASIN_PART(kind, name##_##x, BASIN_KIND(TENSOR)),                            \
      BASIN_PART(kind, name##_##w, BASIN_KIND(TENSOR)),                            \
      BASIN_PART(kind, name##_##y, BASIN_KIND(TENSOR))

constexpr Attribute kAttributes[] = {
    BASIN_SET(TENSOR, TENSOR_UNIQUE_ID, INT64, 1),
    BASIN_SET(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE, 1),
    BASIN_SET(TENSOR, TENSOR_DIMENSIONS, INT64, 4),
    BASIN_SET(TENSOR, TENSOR_STRIDES, INT64, 4),
    BASIN_SET(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64, 1),
    BASIN_SET(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1),
    BASIN_SET(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1),
    BASIN_SET(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64, 1),
    BASIN_SET(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64, 2),
    BASIN_SET(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64, 2),
    BASIN_SET(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64, 2),
    BASIN_SET(CONVOLUTION, CONVOLUTION_DILATIONS, INT64, 2),
    BASIN_OPERATION(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD, X, W, Y),
    BASIN_OPERATION(OPERATION_CONVOLUTION_BACKWARD_DATA, OPERATION_CONVOLUTION_BWD_DATA, DX, W, DY),
    BASIN_OPERATION(OPERATION_CONVOLUTION_BACKWARD_FILTER, OPERATION_CONVOLUTION_BWD_FILTER, X, DW,
                    DY),
    BASIN_SET(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE, 1),
    BASIN_PART(OPERATIONGRAPH, OPERATIONGRAPH_OPS, kAnyOperation),
    BASIN_PART(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BASIN_KIND(OPERATIONGRAPH)),
    BASIN_SET(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE, 1),
    BASIN_GET(ENGINEHEUR, ENGINEHEUR_RESULTS, BACKEND_DESCRIPTOR),
    BASIN_GET(ENGINECFG, ENGINECFG_ENGINE, BACKEND_DESCRIPTOR),
    BASIN_GET(ENGINE, ENGINE_GLOBAL_INDEX, INT64),
    BASIN_GET(ENGINE, ENGINE_NUMERICAL_NOTE, NUMERICAL_NOTE),
    BASIN_GET(ENGINE, ENGINE_BEHAVIOR_NOTE, BEHAVIOR_NOTE),
    BASIN_SET(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE, 1),
    BASIN_PART(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BASIN_KIND(ENGINECFG)),
    BASIN_GET(EXECUTION_PLAN, EXECUTION_PLAN_WORKSPACE_SIZE, INT64),
    BASIN_SET(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64, 3),
    BASIN_SET(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR, 3),
    BASIN_SET(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR, 1),
};

struct OperationNames {
  int kind;
  ConvolutionPass pass;
  int alpha, beta, convolution, x, w, y;
};
#define BASIN_NAMES(kind, pass, name, x, w, y)                                                    \
  {                                                                                               \
    BASIN_KIND(kind), ConvolutionPass::pass, CUDNN_ATTR_##name##_ALPHA, CUDNN_ATTR_##name##_BETA, \
        CUDNN_ATTR_##name##_CONV_DESC, CUDNN_ATTR_##name##_##x, CUDNN_ATTR_##name##_##w,          \
        CUDNN_ATTR_##name##_##y                                                                   \
  }
constexpr OperationNames kOperations[] = {
    BASIN_NAMES(OPERATION_CONVOLUTION_FORWARD, Forward, OPERATION_CONVOLUTION_FORWARD, X, W, Y),
    BASIN_NAMES(OPERATION_CONVOLUTION_BACKWARD_DATA, BackwardData, OPERATION_CONVOLUTION_BWD_DATA,
                DX, W, DY),
    BASIN_NAMES(OPERATION_CONVOLUTION_BACKWARD_FILTER, BackwardFilter,
                OPERATION_CONVOLUTION_BWD_FILTER, X, DW, DY),
};
const OperationNames* operation_of(int kind) {
  for (const OperationNames& names : kOperations) {
    if (names.kind == kind) return &names;
  }
  return nullptr;
}

// One that must not be chosen gives results that a test sees.
const Engine kTooLarge{21, {}, Arithmetic::Coarse, int64_t{1} << 40, true};
const Engine kRefused{30, {}, Arithmetic::Coarse, 0, false};
const Engine kCompiled{40, {},   Arithmetic::Coarse,
                       0,  true, {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION}};
const Engine kHalf{12, {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, Arithmetic::Coarse, 0, true};
const Engine kNarrow{
    14, {CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}, Arithmetic::Coarse, 0, true};
const Engine kUnordered{
    9, {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, Arithmetic::Nondeterministic, 0, true};
const Engine kTf32{3, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, Arithmetic::Tf32, 2000, true};
const Engine kTensorCores{5, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, Arithmetic::Plain, 2000, true};
const Engine kWinograd{17,
                       {CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4},
                       Arithmetic::Plain,
                       4100,
                       true};
const Engine kPlain{35, {}, Arithmetic::Plain, 1000, true};
const Engine kFallback{0, {}, Arithmetic::Plain, 0, true};

void require(bool condition, int status, const std::string& detail) {
  if (!condition) throw Refusal{status, detail};
}

void check_tensor(const Descriptor& d) {
  const int type = d.one<int>(CUDNN_ATTR_TENSOR_DATA_TYPE);
  require(type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16,
          CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "a tensor neither of float nor of bfloat16");
  const auto e = d.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);  // n, c, h, w
  require(e.size() == 4 && *std::min_element(e.begin(), e.end()) >= 1, CUDNN_STATUS_BAD_PARAM,
          fmt::format("extents {}", e));
  const Extents dense = {e[1] * e[2] * e[3], 1, e[3] * e[1], e[1]};
  const auto strides = d.all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  require(strides == dense, CUDNN_STATUS_NOT_SUPPORTED_LAYOUT,
          fmt::format("strides {} of extents {}, where dense NHWC has {}", strides, e, dense));
  const auto alignment = d.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  const int64_t element = type == CUDNN_DATA_FLOAT ? 4 : 2;
  require(alignment >= element && (alignment & (alignment - 1)) == 0, CUDNN_STATUS_BAD_PARAM,
          fmt::format("an alignment of {} bytes", alignment));
}

void check_convolution(const Descriptor& d) {
  require(d.one<int>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT,
          CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "sums that are not of float");
  require(d.one<int>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION,
          CUDNN_STATUS_NOT_SUPPORTED, "a convolution that is no cross-correlation");
  require(d.one<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2, CUDNN_STATUS_BAD_PARAM,
          "other than two spatial dimensions");
  const auto strides = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  require(strides[0] >= 1 && strides == Extents(2, strides[0]), CUDNN_STATUS_BAD_PARAM,
          fmt::format("filter strides {}", strides));
  const auto before = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const auto behind = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  require(before[0] >= 0 && before == Extents(2, before[0]) && before == behind,
          CUDNN_STATUS_BAD_PARAM, fmt::format("paddings {} and {}", before, behind));
  require(d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS) == Extents(2, 1),
          CUDNN_STATUS_NOT_SUPPORTED, "a dilation");
}

// The convolution of an operation whose parts agree.
Convolution convolution_of(const Descriptor& d, const OperationNames& names) {
  require(d.one<float>(names.alpha) == 1 && d.one<float>(names.beta) == 0,
          CUDNN_STATUS_NOT_SUPPORTED, "other factors than 1 and 0");
  const Descriptor &x = *d.parts.at(names.x), &w = *d.parts.at(names.w), &y = *d.parts.at(names.y);
  const int type = x.one<int>(CUDNN_ATTR_TENSOR_DATA_TYPE);
  std::set<int64_t> ids;
  for (const Descriptor* tensor : {&x, &w, &y}) {
    ids.insert(tensor->one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID));
    require(tensor->one<int>(CUDNN_ATTR_TENSOR_DATA_TYPE) == type,
            CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "tensors of several types");
  }
  require(ids.size() == 3, CUDNN_STATUS_BAD_PARAM, "one id of several tensors");
  const auto xs = x.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto ws = w.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto ys = y.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const Descriptor& c = *d.parts.at(names.convolution);
  const int64_t stride = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES)[0];
  const int64_t padding = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)[0];
  const ConvShape s = {xs[0], xs[2], xs[3], xs[1], ws[0], ws[2], stride, padding};
  require(
      ws == Extents{s.c_out, s.c_in, s.kernel, s.kernel} &&
          ys == Extents{s.n, s.c_out, s.h_out(), s.w_out()},
      CUDNN_STATUS_BAD_PARAM,
      fmt::format("x {}, w {} and y {} at stride {} and padding {}", xs, ws, ys, stride, padding));
  return {s, names.pass, type == CUDNN_DATA_BFLOAT16};
}

void check_heuristic(const Descriptor& d) {
  const int mode = d.one<int>(CUDNN_ATTR_ENGINEHEUR_MODE);
  require(mode == CUDNN_HEUR_MODE_A || mode == CUDNN_HEUR_MODE_FALLBACK, CUDNN_STATUS_NOT_SUPPORTED,
          "a mode that is not emulated");
  require(mode == CUDNN_HEUR_MODE_FALLBACK || d.convolution.shape.kernel <= 5,
          CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "mode A has nothing for so large a kernel");
}

void check_pack(const Descriptor& d) {
  const auto ids = d.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = d.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  require(ids.size() == pointers.size(), CUDNN_STATUS_BAD_PARAM,
          fmt::format("{} ids and {} pointers", ids.size(), pointers.size()));
  require(std::set<int64_t>(ids.begin(), ids.end()).size() == ids.size(), CUDNN_STATUS_BAD_PARAM,
          "an id twice");
}

}  // namespace

const Attribute& attribute_of(const Descriptor& descriptor, int name) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.kind == descriptor.kind && attribute.name == name) return attribute;
  }
  throw Refusal{CUDNN_STATUS_BAD_PARAM,
                fmt::format("attribute {} of a descriptor of kind {} is not emulated", name,
                            descriptor.kind)};
}

size_t element_bytes(const Attribute& attribute) {
  switch (attribute.type) {
    case CUDNN_TYPE_INT64:
      return sizeof(int64_t);
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
      return sizeof(void*);
    default:
      return sizeof(int);  // an enumerator, or a float
  }
}

bool may_hold(const Attribute& attribute, const Descriptor& part) {
  if (attribute.part == kAnyOperation) return operation_of(part.kind) != nullptr;
  return attribute.part == part.kind;
}

void finalize(Descriptor& d) {
  require(!d.finalized, CUDNN_STATUS_BAD_PARAM, "finalised already");
  require(d.kind != BASIN_KIND(ENGINECFG) && d.kind != BASIN_KIND(ENGINE),
          CUDNN_STATUS_NOT_SUPPORTED, "engines are got from a heuristic here");
  for (const Attribute& attribute : kAttributes) {
    const bool is_set = d.values.count(attribute.name) + d.parts.count(attribute.name) > 0;
    require(attribute.kind != d.kind || attribute.most == 0 || is_set, CUDNN_STATUS_BAD_PARAM,
            fmt::format("{} is not set", attribute.text));
  }
  require_whole(d);
  switch (d.kind) {
    case BASIN_KIND(TENSOR):
      check_tensor(d);
      break;
    case BASIN_KIND(CONVOLUTION):
      check_convolution(d);
      break;
    case BASIN_KIND(OPERATIONGRAPH):
      d.convolution = d.parts.at(CUDNN_ATTR_OPERATIONGRAPH_OPS)->convolution;
      break;
    case BASIN_KIND(ENGINEHEUR):
      d.convolution = d.parts.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)->convolution;
      check_heuristic(d);
      break;
    case BASIN_KIND(EXECUTION_PLAN):
      d.convolution = d.parts.at(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->convolution;
      d.engine = d.parts.at(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine;
      require(d.engine->has_plan, CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH,
              "an engine of another processor's");
      break;
    case BASIN_KIND(VARIANT_PACK):
      check_pack(d);
      break;
    default:
      d.convolution = convolution_of(d, *operation_of(d.kind));
  }
  d.finalized = true;
}

std::vector<const Engine*> engines_of(const Descriptor& heuristic) {
  const ConvShape& s = heuristic.convolution.shape;
  if (heuristic.one<int>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK) {
    return {s.kernel <= 15 ? &kFallback : &kRefused};
  }
  const bool transforms = s.kernel == 3 && s.stride == 1;
  std::vector<const Engine*> engines = {&kTooLarge, &kRefused, &kCompiled};
  if (heuristic.convolution.is_bfloat16) {
    engines.insert(engines.end(), {&kNarrow, &kUnordered});
    if (transforms) engines.push_back(&kWinograd);
    engines.push_back(&kTensorCores);
  } else {
    engines.insert(engines.end(), {&kHalf, &kUnordered, &kTf32});
    if (transforms) engines.push_back(&kWinograd);
    engines.push_back(&kPlain);
  }
  return engines;
}

std::array<const Descriptor*, 3> tensors_of(const Descriptor& plan) {
  const Descriptor& configuration = *plan.parts.at(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const Descriptor& graph = *configuration.parts.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  const Descriptor& operation = *graph.parts.at(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  const OperationNames& names = *operation_of(operation.kind);
  return {operation.parts.at(names.x).get(), operation.parts.at(names.w).get(),
          operation.parts.at(names.y).get()};
}

void require_whole(const Descriptor& descriptor) {
  for (const auto& [name, part] : descriptor.parts) {
    require(!part->destroyed, CUDNN_STATUS_BAD_PARAM, "made of a descriptor that was destroyed");
    require_whole(*part);
  }
}

}  // namespace basin::emulated
