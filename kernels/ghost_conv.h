// The ghost gradient of a convolution (ghost.h): its input unfolded, it is a matrix product with a
// row for each output position of a group.
#pragma once

#include "kernels/ghost.h"
#include "kernels/patches.h"

namespace basin {

// `shape`: of all groups' examples, shape.n a multiple of `groups`.
constexpr GhostShape ghost_shape(const ConvShape& shape, int64_t groups) {
  return {groups, patch_count(shape) / groups, patch_size(shape), shape.c_out};
}

// As GhostProduct, of images: x [n, h, w, c_in], y [n, h_out, w_out, c_out].
template <class T>
class GhostConv {
 public:
  GhostConv(const Stream& stream, const ConvShape& shape, int64_t groups);

  int64_t kept_bytes() const { return product_.kept_bytes(); }
  int64_t scratch_bytes() const { return patch_bytes() + product_.scratch_bytes(); }
  void keep(const Stream& stream, const T* x, const T* dy, void* kept, double* squared_norms,
            void* scratch) const;
  void add_to_output(const Stream& stream, const T* x, const void* kept, const double* scales, T* y,
                     void* scratch) const;
  void data_gradient(const Stream& stream, const T* dy, const void* kept, const double* scales,
                     T* dx, Write mode, void* scratch) const;

 private:
  int64_t patch_bytes() const;
  void* behind_patches(void* scratch) const { return static_cast<char*>(scratch) + patch_bytes(); }

  ConvShape shape_;
  bool plain_;  // the patches are the image's pixels
  GhostProduct<T> product_;
};

}  // namespace basin
