// The CUDA side of group norm.
#include "kernels/norm_act.cuh"

#include <numeric>

#include "kernels/groups_of.cuh"
#include "kernels/launch.cuh"
#include "kernels/norm_act_join.cuh"

namespace basin::cuda {
namespace {

// Each image's part of dgamma and of dbeta: [n, c] each, F the type of the statistics.
template <class F>
struct GroupScratch {
  F *dgammas, *dbetas;
  GroupScratch(const NormShape& shape, void* scratch)
      : dgammas(static_cast<F*>(scratch)), dbetas(dgammas + shape.n * shape.c) {}
};

// A block for each tile.
template <class T, int W>
Grid grid_of_tiles(const Stream& stream, const GroupTiling& tiling) {
  return grid_of_blocks(stream, tiling.tasks(), group_threads<T, W>(tiling));
}

// body(width, where): as by_width, and where a tile's parameters lie; those of each group have to
// lie on such an access too.
template <class T, class Body, class... Pointers>
void by_form(const NormShape& shape, ParameterGroups parameters, const Body& body,
             const Pointers*... pointers) {
  if (parameters.count == 1) {
    by_width<T, kSumWidth>(
        shape.c, [&](auto width) { body(width, OneForAll{}); }, pointers...);
  } else {
    const auto images = static_cast<int>(shape.n / parameters.count);
    const OneAGroup own{images, parameters.stride};
    by_width<T, kSumWidth>(
        std::gcd(shape.c, parameters.stride), [&](auto width) { body(width, own); }, pointers...);
  }
}

// dgamma and dbeta, of each group of images by itself where there are several: few images take few
// threads.
template <class F>
void join_gradients(const Stream& stream, const char* name, const NormShape& shape,
                    const GroupScratch<F>& parts, F* dgamma, F* dbeta, Write mode,
                    ParameterGroups groups) {
  const F* none = nullptr;
  F* nowhere = nullptr;
  const int64_t blocks = ceil_div<int64_t>(shape.c, kJoinChannels);
  if (groups.count == 1) {
    const F *dgammas = parts.dgammas, *dbetas = parts.dbetas;
    launch<GradientJoin<F>>(stream, name, grid_of_blocks(stream, blocks, kJoinThreads), shape.n,
                            shape.c, dgammas, dbetas, dgamma, dbeta, mode, none, none, 0.0, nowhere,
                            nowhere);
    return;
  }
  const int64_t images = shape.n / groups.count, step = images * shape.c;
  int threads = kWarpSize;
  while (threads < kJoinThreads && threads < images * kJoinChannels) threads *= 2;
  const GroupsArray<const F> dgammas{parts.dgammas, step}, dbetas{parts.dbetas, step};
  const GroupsArray<F> to_gamma{dgamma, groups.stride}, to_beta{dbeta, groups.stride};
  launch<GroupsOf<GradientJoin<F>>>(stream, name, {groups.count * blocks, threads},
                                    static_cast<int>(blocks), images, shape.c, dgammas, dbetas,
                                    to_gamma, to_beta, mode, none, none, 0.0, nowhere, nowhere);
}

}  // namespace

template <class T>
int64_t group_norm_act_scratch(const NormShape& shape) {
  return 2 * shape.n * shape.c * int64_t{sizeof(Wide<T>)};
}

template <class T>
void group_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            void*, ParameterGroups parameters) {
  const auto run = [&](auto width, auto where) {
    const GroupTiling tiling = group_tiling<T, width>(shape);
    launch<GroupNormForward<T, width, decltype(where)>>(
        stream, "group_norm_act_forward", grid_of_tiles<T, width>(stream, tiling), tiling, x,
        residual, sum, gamma, beta, where, eps, floor_of<Wide<T>>(act), y, mean, rstd);
  };
  by_form<T>(shape, parameters, run, x, residual, gamma, beta, sum, y);
}

template <class T>
void group_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch,
                             ParameterGroups parameters, ParameterGroups gradients) {
  using F = Wide<T>;
  constexpr const char* kName = "group_norm_act_backward";
  const GroupScratch<F> parts(shape, scratch);
  const auto run = [&](auto width, auto where) {
    const GroupTiling tiling = group_tiling<T, width>(shape);
    launch<GroupNormBackward<T, width, decltype(where)>>(
        stream, kName, grid_of_tiles<T, width>(stream, tiling), tiling, dy, s, gamma, beta, where,
        mean, rstd, floor_of<F>(act), ds, ds_mode, parts.dgammas, parts.dbetas);
  };
  by_form<T>(shape, parameters, run, dy, s, gamma, beta, ds);
  join_gradients(stream, kName, shape, parts, dgamma, dbeta, parameter_mode, gradients);
}

#define BASIN_INSTANTIATE_GROUP_NORM(T)                                                            \
  template int64_t group_norm_act_scratch<T>(const NormShape&);                                    \
  template void group_norm_act_forward(const Stream&, const NormShape&, const T*, const T*,        \
                                       const Wide<T>*, const Wide<T>*, double, Activation, T*, T*, \
                                       Wide<T>*, Wide<T>*, void*, ParameterGroups);                \
  template void group_norm_act_backward(const Stream&, const NormShape&, const T*, const T*,       \
                                        const Wide<T>*, const Wide<T>*, const Wide<T>*,            \
                                        const Wide<T>*, Activation, T*, Write, Wide<T>*, Wide<T>*, \
                                        Write, void*, ParameterGroups, ParameterGroups);

BASIN_INSTANTIATE_GROUP_NORM(float)
BASIN_INSTANTIATE_GROUP_NORM(double)
BASIN_INSTANTIATE_GROUP_NORM(bfloat16)

}  // namespace basin::cuda
