// The CUDA side of the augmentation.
#include "kernels/augment.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const ImageSource& source,
             int64_t batch, int64_t n, uint64_t seed, const StepCursor* cursor, T* out,
             int32_t* labels) {
  launch<AugmentBody<T>>(stream, "augment", grid_of_blocks(stream, n), shape, source, batch, n,
                         seed, cursor, out, labels);
}

template void augment(const Stream&, const AugmentShape&, const ImageSource&, int64_t, int64_t,
                      uint64_t, const StepCursor*, float*, int32_t*);
template void augment(const Stream&, const AugmentShape&, const ImageSource&, int64_t, int64_t,
                      uint64_t, const StepCursor*, double*, int32_t*);

}  // namespace basin::cuda
