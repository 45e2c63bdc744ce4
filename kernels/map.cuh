// The element driver as a body: a grid-stride loop with 16-byte accesses, the tail inside it, and
// single elements where an array is not 16-byte aligned.
#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/map.h"

namespace basin {

enum class Access { Packed, Single };

// Packs where all of the arrays lie on 16 bytes.
template <class... Pointers>
BASIN_HD Access access_of(const Pointers*... pointers) {
  const std::uintptr_t bits =
      (std::uintptr_t{0} | ... | reinterpret_cast<std::uintptr_t>(pointers));
  return bits % 16 == 0 ? Access::Packed : Access::Single;
}

template <class T>
using Pack16 = Pack<T, kPackSize<T>>;

// The kPackSize<T> values from x on, by one access or by several.
template <class T>
BASIN_DEVICE Pack16<T> load_pack(const T* x, Access access) {
  if (access == Access::Packed) return *reinterpret_cast<const Pack16<T>*>(x);
  Pack16<T> pack;
  for (int j = 0; j < kPackSize<T>; ++j) pack.value[j] = x[j];
  return pack;
}
template <class T>
BASIN_DEVICE void store_pack(T* x, const Pack16<T>& pack, Access access) {
  if (access == Access::Packed) {
    *reinterpret_cast<Pack16<T>*>(x) = pack;
    return;
  }
  for (int j = 0; j < kPackSize<T>; ++j) x[j] = pack.value[j];
}

// A run's arrays, as a kernel's parameter (one pointer where there is none).
template <class T, int N>
struct Arrays {
  T* at[N > 0 ? N : 1];
};

// out[i] = functor(in[i]) for i in [0, n).
template <class T, class F>
struct MapBody {
  struct Shared {};
  using In = Arrays<const T, F::reads>;
  using Out = Arrays<T, F::writes>;

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, F functor, int64_t n, Access access, In in,
                               Out out) const {
    const auto bound = loaded(functor);
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    constexpr int64_t width = kPackSize<T>;
    const int64_t packs = access == Access::Packed ? n / width : 0;
    for (int64_t p = rank; p < packs; p += stride) {
      Pack16<T> a[F::reads > 0 ? F::reads : 1], b[F::writes];
      for (int k = 0; k < F::reads; ++k) a[k] = load_pack(in.at[k] + p * width, Access::Packed);
      for (int j = 0; j < width; ++j) {
        element(
            bound, [&](int k) { return a[k].value[j]; },
            [&](int k, T value) { b[k].value[j] = value; });
      }
      for (int k = 0; k < F::writes; ++k) {
        store_pack(out.at[k] + p * width, b[k], Access::Packed);
      }
    }
    for (int64_t i = packs * width + rank; i < n; i += stride) {
      element(
          bound, [&](int k) { return in.at[k][i]; }, [&](int k, T value) { out.at[k][i] = value; });
    }
  }

 private:
  template <class Bound, class Get, class Put>
  BASIN_DEVICE static void element(const Bound& bound, const Get& get, const Put& put) {
    Operands<T, F> x;
    T y[F::writes];
    for (int k = 0; k < F::reads; ++k) x[k] = get(k);
    apply<T>(bound, x, y);
    for (int k = 0; k < F::writes; ++k) put(k, y[k]);
  }
};

}  // namespace basin
