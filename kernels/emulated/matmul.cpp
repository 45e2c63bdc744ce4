#include "kernels/emulated/matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "kernels/emulated/call.h"

namespace basin::emulated {
namespace {

constexpr uint64_t kMark = 0x6261'7369'6e00'0001;  // of an algorithm
constexpr int64_t kSplit = 32;                     // from this length on a sum is split
constexpr std::uintptr_t kWorkspaceAlignment = 256;

[[noreturn]] void refuse(const std::string& what) {
  throw Fault{Status::InvalidValue, what};
}

struct Range {
  const char* name;
  const void* data;
  size_t bytes;

  bool overlaps(const Range& other) const {
    const auto* x = static_cast<const std::byte*>(data);
    const auto* y = static_cast<const std::byte*>(other.data);
    return x < y + other.bytes && y < x + bytes;
  }
  bool is_aligned(std::uintptr_t to) const {
    return reinterpret_cast<std::uintptr_t>(data) % to == 0;
  }
};

Range range_of(const char* name, const void* data, const Layout& x, size_t element) {
  const uint64_t last = static_cast<uint64_t>(x.count - 1) * static_cast<uint64_t>(x.stride);
  return {name, data, (last + (x.columns - 1) * static_cast<uint64_t>(x.ld) + x.rows) * element};
}

template <class T>
void multiply(const Matmul& call) {
  static bool turn = false;  // in place, no two runs in a row have one order
  turn = !turn;
  Parts parts = Parts::One;
  if (call.algorithm.in_place != 0) parts = turn ? Parts::First : Parts::Last;
  const Problem& p = call.problem;
  for (int64_t i = 0; i < p.count(); ++i) {
    const auto operand = [i](const void* data, const Layout& x, bool transposed) {
      const T* at = static_cast<const T*>(data) + i * x.stride;
      return transposed ? Operand<T>{at, x.ld, 1} : Operand<T>{at, 1, x.ld};
    };
    product<T>(p.m(), p.n(), p.k(), p.op.significand, parts, static_cast<T>(call.alpha),
               operand(call.a, p.a, p.op.a_transposed), operand(call.b, p.b, p.op.b_transposed),
               static_cast<T>(call.beta), static_cast<const T*>(call.c) + i * p.c.stride, p.c.ld,
               static_cast<T*>(call.d) + i * p.d.stride, p.d.ld);
  }
}

}  // namespace

std::string Problem::text() const {
  const auto matrix = [](const Layout& x, bool transposed) {
    const std::string batch =
        x.count == 1 ? "" : fmt::format(", {} of them by {}", x.count, x.stride);
    return fmt::format("[{}, {}]{} ld {}{}", x.rows, x.columns, transposed ? "^T" : "", x.ld,
                       batch);
  };
  return fmt::format(
      "{}{} A {}, B {}, C {}, D {}", op.compute == Type::Float64 ? "float64" : "float32",
      op.significand == Significand::Tf32 ? " as TF32" : "", matrix(a, op.a_transposed),
      matrix(b, op.b_transposed), matrix(c, false), matrix(d, false));
}

uint64_t Problem::key() const {
  return std::hash<std::string>()(text());
}

void Problem::check() const {
  const auto require = [this](bool condition, const char* what) {
    if (!condition) refuse(fmt::format("{}: {}", what, text()));
  };
  require(op.scale == op.compute, "the types of scale and computation differ");
  for (const Layout* x : {&a, &b, &c, &d}) {
    require(x->type == op.compute, "the types of data and computation differ");
    require(x->rows >= 1 && x->columns >= 1, "an empty matrix");
    require(x->ld >= static_cast<int64_t>(x->rows), "a leading dimension below the rows");
    require(x->count >= 1 && x->stride >= 0, "an empty batch, or one that goes backwards");
    require(x->count == d.count, "the sizes of the batches differ");
  }
  require(d.count == 1 || d.stride >= (n() - 1) * d.ld + m(), "the results of a batch overlap");
  const auto rows = [](const Layout& x, bool transposed) {
    return transposed ? x.columns : x.rows;
  };
  require(rows(a, !op.a_transposed) == rows(b, op.b_transposed), "the inner extents differ");
  require(rows(a, op.a_transposed) == d.rows && rows(b, !op.b_transposed) == d.columns,
          "D has not the product's extents");
  require(c.rows == d.rows && c.columns == d.columns, "the extents of C and D differ");
}

void Algorithm::check(const Problem& wanted) const {
  if (mark != kMark) refuse("an algorithm that the heuristic did not return");
  if (problem != wanted.key()) refuse("an algorithm for another problem than " + wanted.text());
}

Algorithm algorithm_for(const Problem& problem, const Preference& preference) {
  Algorithm algorithm{kMark, problem.key(), 0, {}, 0};
  std::copy_n(preference.alignment, 4, algorithm.alignment);
  if (problem.k() < kSplit) return algorithm;
  const uint64_t counter = sizeof(uint32_t);
  const auto count = static_cast<uint64_t>(problem.count());
  const uint64_t parts = 2 * count * problem.d.rows * problem.d.columns * problem.element();
  if (preference.in_place && counter <= preference.workspace) {
    algorithm.in_place = 1;
    algorithm.workspace = counter;
  } else if (preference.by_workspace && parts <= preference.workspace) {
    algorithm.workspace = parts;
  }
  return algorithm;
}

void Matmul::check() const {
  const Memory& memory = device().memory();
  const size_t element = problem.element();
  const Range ranges[] = {
      range_of("A", a, problem.a, element), range_of("B", b, problem.b, element),
      range_of("C", c, problem.c, element), range_of("D", d, problem.d, element)};
  const Layout* layouts[] = {&problem.a, &problem.b, &problem.c, &problem.d};
  for (int i = 0; i < 4; ++i) {
    const Range& range = ranges[i];
    memory.require(range.data, range.bytes, range.name);
    if (!range.is_aligned(algorithm.alignment[i])) {
      refuse(fmt::format("{}: expected {}-byte alignment, as promised, found {}", range.name,
                         algorithm.alignment[i], memory.describe(range.data)));
    }
    const auto step = static_cast<uint64_t>(layouts[i]->stride) * element;
    if (layouts[i]->count > 1 && step % algorithm.alignment[i] != 0) {
      refuse(fmt::format("{}: expected {}-byte alignment, as promised, found a batch by {} bytes",
                         range.name, algorithm.alignment[i], step));
    }
  }
  const Range& to = ranges[3];
  require(!to.overlaps(ranges[0]) && !to.overlaps(ranges[1]), "D overlaps an operand");
  const bool same_layout = problem.c.ld == problem.d.ld && problem.c.stride == problem.d.stride;
  require(c == d ? same_layout : !to.overlaps(ranges[2]), "D overlaps C, and is not the same");
  if (workspace_bytes < algorithm.workspace) {
    refuse(
        fmt::format("a workspace of {} bytes, expected {}", workspace_bytes, algorithm.workspace));
  }
  if (workspace_bytes == 0) return;
  const Range scratch{"workspace", workspace, workspace_bytes};
  memory.require(workspace, workspace_bytes, scratch.name);
  require(scratch.is_aligned(kWorkspaceAlignment), "the workspace is not aligned to 256 bytes");
  for (const Range& range : ranges) {
    require(!scratch.overlaps(range), "the workspace overlaps a matrix");
  }
}

void Matmul::run() const {
  check();
  if (workspace_bytes > 0) std::memset(workspace, 0xff, workspace_bytes);
  if (problem.op.compute == Type::Float64) {
    multiply<double>(*this);
  } else {
    multiply<float>(*this);
  }
}

}  // namespace basin::emulated
