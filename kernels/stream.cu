// The CUDA side of Stream: opening a device, or saying in one line why it cannot be.
#include "kernels/stream.h"

#include "kernels/launch.cuh"

namespace basin {
namespace {

struct Probe {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block&, Shared&) const {}
};

// How many devices there are; `why` gets the driver's word where there is none.
int count_devices(std::string& why) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  why = status == cudaSuccess ? "it reports none" : cudaGetErrorString(status);
  return 0;
}

// Why the device cannot run this build's code, or an empty string. Asked of the device itself.
std::string unusable(int index) {
  cudaFuncAttributes attributes;
  cudaError_t status = cudaSetDevice(index);
  if (status == cudaSuccess) {
    status =
        cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&cuda::run_body<Probe>));
  }
  if (status == cudaSuccess) return "";
  cudaGetLastError();
  return cudaGetErrorString(status);
}

}  // namespace

// Delegates, so that the destructor closes what was opened where a later call fails.
CudaStream::CudaStream(int device, Tf32 allowed) : CudaStream() {
  index = device;
  tf32 = allowed;
  BASIN_CUDA_CALL(cudaSetDevice(index));
  BASIN_CUDA_CALL(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, index));
  BASIN_CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  BASIN_CUDA_CALL(cublasLtCreate(&blas));
  BASIN_CUDA_CALL(cudnnCreate(&dnn));
  BASIN_CUDA_CALL(cudnnSetStream(dnn, stream));
}

std::shared_ptr<CudaStream> CudaStream::open_beside(const CudaStream& main) {
  std::shared_ptr<CudaStream> side(new CudaStream());
  side->owns_handles_ = false;
  side->index = main.index;
  side->tf32 = main.tf32;
  side->multiprocessors = main.multiprocessors;
  side->blas = main.blas;
  side->dnn = main.dnn;
  BASIN_CUDA_CALL(cudaSetDevice(side->index));
  BASIN_CUDA_CALL(cudaStreamCreateWithFlags(&side->stream, cudaStreamNonBlocking));
  return side;
}

CudaStream::~CudaStream() {
  conv_plans.reset();
  if (owns_handles_ && dnn != nullptr) cudnnDestroy(dnn);
  if (owns_handles_ && blas != nullptr) cublasLtDestroy(blas);
  if (stream != nullptr) cudaStreamDestroy(stream);
}

namespace cuda {

std::shared_ptr<CudaStream> open_stream(int index, Tf32 tf32) {
  std::string why;
  const int count = count_devices(why);
  BASIN_CHECK(count > 0, "--device cuda", "no CUDA device was found (driver: {})", why);
  BASIN_CHECK(index >= 0 && index < count, "--device cuda",
              "found device {}, expected one of the {} from 0 to {}", index, count, count - 1);
  why = unusable(index);
  BASIN_CHECK(why.empty(), "--device cuda", "device {} cannot run this build (driver: {})", index,
              why);
  return std::make_shared<CudaStream>(index, tf32);
}

std::shared_ptr<CudaStream> stream_beside(CudaStream& stream) {
  if (stream.side == nullptr) stream.side = CudaStream::open_beside(stream);
  return stream.side;
}

void synchronize(CudaStream& stream) {
  BASIN_CUDA_CALL(cudaStreamSynchronize(stream.stream));
}

int device_count() {
  std::string why;
  return count_devices(why);
}

std::string device_description(int index) {
  std::string why;
  const int count = count_devices(why);
  if (count == 0) return fmt::format("no CUDA device was found (driver: {})", why);
  if (index < 0 || index >= count) return fmt::format("there is no CUDA device {}", index);
  cudaDeviceProp properties;
  BASIN_CUDA_CALL(cudaGetDeviceProperties(&properties, index));
  why = unusable(index);
  return fmt::format("{}, compute capability {}.{}, {:.0f} GiB{}{}", properties.name,
                     properties.major, properties.minor,
                     static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                     why.empty() ? "" : "; cannot run this build: ", why);
}

DeviceMemory device_memory(const CudaStream& stream) {
  size_t free = 0, total = 0;
  BASIN_CUDA_CALL(cudaSetDevice(stream.index));
  BASIN_CUDA_CALL(cudaMemGetInfo(&free, &total));
  return {static_cast<int64_t>(free), static_cast<int64_t>(total)};
}

}  // namespace cuda
}  // namespace basin
