// A matrix product as the emulated cuBLASLt sees it: matrices that have to agree, an algorithm for
// them, and the call that runs it. Column-major; what the documentation of the library asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/emulated/product.h"

namespace basin::emulated {

enum class Type { Float32, Float64 };

struct Layout {
  Type type;
  uint64_t rows, columns;
  int64_t ld;
  int32_t count = 1;   // of a batch,
  int64_t stride = 0;  // and the elements from one of its matrices to the next
};
struct Operation {
  Type compute, scale;
  Significand significand;
  bool a_transposed = false, b_transposed = false;
};
// What an algorithm may do, and what its caller promises.
struct Preference {
  uint64_t workspace = 0;                        // bytes, at most
  bool in_place = true, by_workspace = true;     // ways to add the parts of a sum that is split
  uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C and D
};

// D = alpha op(A) op(B) + beta C, of which matrices.
struct Problem {
  Operation op;
  Layout a, b, c, d;

  // Fault(InvalidValue) where the descriptors do not go together.
  void check() const;
  int64_t count() const { return d.count; }
  int64_t m() const { return static_cast<int64_t>(d.rows); }
  int64_t n() const { return static_cast<int64_t>(d.columns); }
  int64_t k() const { return static_cast<int64_t>(op.a_transposed ? a.rows : a.columns); }
  size_t element() const { return op.compute == Type::Float64 ? sizeof(double) : sizeof(float); }
  std::string text() const;
  uint64_t key() const;  // of the text
};

// What the heuristic writes into an opaque algorithm: the problem that it is for, and its demands.
struct Algorithm {
  uint64_t mark, problem, workspace;
  uint32_t alignment[4];
  uint64_t in_place;

  // Fault(InvalidValue) where it is not one that was made for the problem.
  void check(const Problem& wanted) const;
};
// Long sums are split in whatever way is allowed, so that one that was allowed by mistake shows: in
// place, where the order of the parts changes from run to run; or by way of a workspace.
Algorithm algorithm_for(const Problem& problem, const Preference& preference);

// One call, to be run as often as its place on a stream, or in a graph, is.
struct Matmul {
  Problem problem;
  Algorithm algorithm;
  const void *a, *b, *c;
  void *d, *workspace;
  size_t workspace_bytes;
  double alpha, beta;

  // Fault(InvalidValue) where an array is not as the problem and the algorithm want it.
  void check() const;
  // Leaves NaN in all of the workspace.
  void run() const;
};

}  // namespace basin::emulated
