// The second stage of the norms' sums over rows: parts in scratch, [parts, c], joined for each
// channel in float64. Neighbouring threads stand on neighbouring channels, as many as a sector of
// memory has; the other threads of the block share the parts, in an order that depends on how many
// parts and threads there are alone.
#pragma once

#include <cmath>

#include "kernels/block.h"
#include "kernels/norm_act.h"

namespace basin {

inline constexpr int kJoinThreads = 512, kJoinChannels = 8;

struct JoinBounds {
  static constexpr int kMaxThreads = kJoinThreads, kResidentBlocks = 1;
};

struct TwoSums {
  double a, b;
  BASIN_DEVICE void add(const TwoSums& other) {
    a += other.a;
    b += other.b;
  }
};

struct JoinShared {
  TwoSums warp[kMaxWarps][kJoinChannels];
};

// A thread's channel of those that a block joins at once, and which of the `lanes` parts it begins
// with.
struct JoinThread {
  int across, lanes, column, lane;
  template <class Block>
  BASIN_DEVICE explicit JoinThread(const Block& block) {
    across = block.num_threads() < kJoinChannels ? block.num_threads() : kJoinChannels;
    lanes = block.num_threads() / across;
    column = block.thread_rank() % across;
    lane = block.thread_rank() / across;
  }
  // The sums over part < parts of the two of term(part), to the column's lane 0.
  template <class Block, class Term>
  BASIN_DEVICE TwoSums sum(Block& block, JoinShared& shared, int64_t parts,
                           const Term& term) const {
    constexpr int kAtOnce = 8;  // terms on their way from memory
    TwoSums total = {0, 0};
    for (int64_t first = lane; first < parts; first += int64_t{kAtOnce} * lanes) {
      TwoSums terms[kAtOnce];
      BASIN_UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        const int64_t part = first + int64_t{i} * lanes;
        terms[i] = term(part < parts ? part : first);
      }
      BASIN_UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        if (first + int64_t{i} * lanes < parts) total.add(terms[i]);
      }
    }
    const int threads = block.num_threads() < kWarpSize ? block.num_threads() : kWarpSize;
    for (int mask = threads / 2; mask >= across; mask /= 2) {
      total.add({block.shfl_xor(total.a, mask), block.shfl_xor(total.b, mask)});
    }
    block.sync();  // the sums before may still be read
    const int rank = block.thread_rank();
    if (rank % kWarpSize < across) shared.warp[rank / kWarpSize][column] = total;
    block.sync();
    for (int w = 1; w < ceil_div(block.num_threads(), kWarpSize); ++w) {
      if (lane == 0) total.add(shared.warp[w][column]);
    }
    return total;
  }
};

// mean, rstd and the unbiased variance of batch norm, from the means and sums of squared deviations
// of each `part_rows` rows.
template <class F>
struct MomentJoin : JoinBounds {
  using Shared = JoinShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t rows, int64_t part_rows,
                               int64_t c, const double* means, const double* m2s, double eps,
                               F* mean, F* rstd, F* unbiased_variance) const {
    const JoinThread thread(block);
    const int64_t parts = ceil_div(rows, part_rows);
    const auto count = static_cast<double>(rows), share = 1 / count;
    for (int64_t first = block.block_rank() * thread.across; first < c;
         first += block.num_blocks() * thread.across) {
      const int64_t j = first + thread.column;
      const double pivot = j < c ? means[j] : 0;  // the first part's
      const TwoSums sums = thread.sum(block, shared, j < c ? parts : 0, [&](int64_t part) {
        const int64_t left = rows - part * part_rows;
        const auto of_part = static_cast<double>(left < part_rows ? left : part_rows);
        const double d = means[part * c + j] - pivot;
        return TwoSums{of_part * d, m2s[part * c + j] + of_part * d * d};
      });
      if (thread.lane != 0 || j >= c) continue;
      const double shift = sums.a * share, raw = sums.b - sums.a * shift;
      const double m2 = raw < 0 ? 0 : raw;  // NaN stays
      mean[j] = static_cast<F>(pivot + shift);
      rstd[j] = 1 / std::sqrt(static_cast<F>(m2 * share + eps));
      unbiased_variance[j] = static_cast<F>(m2) / static_cast<F>(count - 1);
    }
  }
};

// dgamma, dbeta: [c] (=, +=) the sums of their parts. Where the statistics of batch norm depend on
// s, `share` is 1 / rows, otherwise 0, and its second pass is given offset, slope: [c]; they are
// null for group norm.
//   ds = scale (dy - <dy> - xhat <dy xhat>), xhat = (s - mean) rstd, <.> the mean over the rows.
template <class F>
struct GradientJoin : JoinBounds {
  using Shared = JoinShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t parts, int64_t c,
                               const F* dgammas, const F* dbetas, F* dgamma, F* dbeta, Write mode,
                               const F* gamma, const F* rstd, double share, F* offset,
                               F* slope) const {
    const JoinThread thread(block);
    for (int64_t first = block.block_rank() * thread.across; first < c;
         first += block.num_blocks() * thread.across) {
      const int64_t j = first + thread.column;
      const auto [a, b] = thread.sum(block, shared, j < c ? parts : 0, [&](int64_t part) {
        return TwoSums{static_cast<double>(dbetas[part * c + j]),
                       static_cast<double>(dgammas[part * c + j])};
      });
      if (thread.lane != 0 || j >= c) continue;
      dgamma[j] = mode == Write::Overwrite ? static_cast<F>(b) : dgamma[j] + static_cast<F>(b);
      dbeta[j] = mode == Write::Overwrite ? static_cast<F>(a) : dbeta[j] + static_cast<F>(a);
      if (offset == nullptr) continue;
      const auto r = static_cast<double>(rstd[j]);
      const double scale = static_cast<double>(gamma[j]) * r * share;
      offset[j] = static_cast<F>(scale * a);
      slope[j] = static_cast<F>(scale * r * b);
    }
  }
};

}  // namespace basin
