// The second stage of the norms' sums over rows: parts in scratch, [parts, c], joined for each
// channel in float64. Neighbouring threads stand on neighbouring channels; the warps share the
// parts, and their totals are added up in the order of the warps.
#pragma once

#include <cmath>

#include "kernels/block.h"
#include "kernels/norm_act.h"

namespace basin {

inline constexpr int kJoinThreads = 512;

struct JoinShared {
  double lane[kMaxWarps][kWarpSize];
};

// A thread's channel of those that a block joins at once, and which of the `lanes` parts it begins
// with.
struct JoinThread {
  int across, lanes, column, lane;
  template <class Block>
  BASIN_DEVICE explicit JoinThread(const Block& block) {
    across = block.num_threads() < kWarpSize ? block.num_threads() : kWarpSize;
    lanes = block.num_threads() / across;
    column = block.thread_rank() % across;
    lane = block.thread_rank() / across;
  }
  // The sum over part < parts of term(part), to every thread of the column.
  template <class Block, class Term>
  BASIN_DEVICE double sum(Block& block, JoinShared& shared, int64_t parts, const Term& term) const {
    double own = 0;
    for (int64_t part = lane; part < parts; part += lanes) own += term(part);
    block.sync();  // the sum before may still be read
    shared.lane[lane][column] = own;
    block.sync();
    double total = 0;
    for (int k = 0; k < lanes; ++k) total += shared.lane[k][column];
    return total;
  }
};

// mean, rstd and the unbiased variance of batch norm, from the means and sums of squared deviations
// of each `part_rows` rows.
template <class F>
struct MomentJoin {
  using Shared = JoinShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t rows, int64_t part_rows,
                               int64_t c, const double* means, const double* m2s, double eps,
                               F* mean, F* rstd, F* unbiased_variance) const {
    const JoinThread thread(block);
    const int64_t parts = ceil_div(rows, part_rows);
    const auto rows_of = [&](int64_t part) {
      const int64_t left = rows - part * part_rows;
      return static_cast<double>(left < part_rows ? left : part_rows);
    };
    const auto count = static_cast<double>(rows);
    for (int64_t first = block.block_rank() * thread.across; first < c;
         first += block.num_blocks() * thread.across) {
      const int64_t j = first + thread.column;
      const int64_t own = j < c ? parts : 0;
      const double m = thread.sum(block, shared, own, [&](int64_t part) {
        return rows_of(part) * means[part * c + j];
      }) / count;
      const double m2 = thread.sum(block, shared, own, [&](int64_t part) {
        const double d = means[part * c + j] - m;
        return m2s[part * c + j] + rows_of(part) * d * d;
      });
      if (thread.lane != 0 || j >= c) continue;
      mean[j] = static_cast<F>(m);
      rstd[j] = static_cast<F>(1 / std::sqrt(m2 / count + eps));
      unbiased_variance[j] = static_cast<F>(m2 / (count - 1));
    }
  }
};

// dgamma, dbeta: [c] (=, +=) the sums of their parts. Where the statistics of batch norm depend on
// s, `share` is 1 / rows, otherwise 0, and its second pass is given offset, slope: [c]; they are
// null for group norm.
//   ds = scale (dy - <dy> - xhat <dy xhat>), xhat = (s - mean) rstd, <.> the mean over the rows.
template <class F>
struct GradientJoin {
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
      const int64_t own = j < c ? parts : 0;
      const double b = thread.sum(block, shared, own, [&](int64_t part) {
        return static_cast<double>(dgammas[part * c + j]);
      });
      const double a = thread.sum(block, shared, own, [&](int64_t part) {
        return static_cast<double>(dbetas[part * c + j]);
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
