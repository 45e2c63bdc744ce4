// The CUDA side of the augmentation.
#include "kernels/augment.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const uint8_t* images,
             const int64_t* indices, int64_t batch, uint64_t seed, uint32_t epoch, int64_t first,
             T* out) {
  launch<AugmentBody<T>>(stream, "augment", grid_of_blocks(stream, batch), shape, images, indices,
                         batch, seed, epoch, first, out);
}

template void augment(const Stream&, const AugmentShape&, const uint8_t*, const int64_t*, int64_t,
                      uint64_t, uint32_t, int64_t, float*);
template void augment(const Stream&, const AugmentShape&, const uint8_t*, const int64_t*, int64_t,
                      uint64_t, uint32_t, int64_t, double*);

}  // namespace basin::cuda
