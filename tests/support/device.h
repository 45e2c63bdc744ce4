// The device as an axis of a kernel test: streams of every device that this build and machine have
// (a CPU; the emulated device or a GPU), and arrays that live where a stream runs.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/buffer.h"
#include "kernels/stream.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {

#ifdef BASIN_EMULATED
inline constexpr const char* kCudaName = "emulated";
inline constexpr int kCudaRuns = 3;  // each in another order of blocks, warps and threads
#else
inline constexpr const char* kCudaName = "cuda";
inline constexpr int kCudaRuns = 2;
#endif

// A CPU stream for each number of threads; then, where there is such a device, CUDA streams: what
// runs on each of them must give equal bytes.
inline std::vector<Stream> streams(std::initializer_list<int> threads) {
  std::vector<Stream> all;
  for (const int t : threads) all.push_back(Stream::cpu(t));
  for (int k = 0; k < kCudaRuns && cuda_device_count() > 0; ++k) all.push_back(Stream::cuda(0));
  return all;
}

inline std::string name(const Stream& stream) {
  if (stream.is_cuda()) return kCudaName;
  return "cpu, " + std::to_string(stream.threads()) + " threads";
}

// A Guarded<T> (made of the other arguments) in the memory of the stream's device, sentinels and
// all. What the device holds is looked at through host(), which waits for the stream.
template <class T>
class Placed {
 public:
  template <class... Args>
  explicit Placed(const Stream& stream, Args&&... args)
      : stream_(stream), host_(std::forward<Args>(args)...) {
    if (!stream.is_cuda()) return;
    const auto memory = host_.memory();
    device_ = Buffer(stream, static_cast<int64_t>(memory.size()));
    copy_to_device(stream, device_.data(), memory.data(), device_.bytes());
  }

  T* data() { return const_cast<T*>(std::as_const(*this).data()); }
  const T* data() const {
    if (!stream_.is_cuda()) return host_.data();
    return reinterpret_cast<const T*>(device_.data() + host_.offset());
  }
  const Guarded<T>& host() const {
    if (stream_.is_cuda()) {
      copy_to_host(stream_, host_.memory().data(), device_.data(), device_.bytes());
    }
    return host_;
  }
  int64_t size() const { return host_.size(); }
  T operator[](int64_t i) const { return host()[i]; }
  std::span<const T> span() const { return host().span(); }
  std::vector<T> values() const { return host().values(); }
  bool intact() const { return host().intact(); }
  // As if the host had written it before all that follows.
  void set(int64_t i, T value) { copy_to_device(stream_, data() + i, &value, sizeof(T)); }

 private:
  Stream stream_;
  mutable Guarded<T> host_;
  Buffer device_;
};

// Holds the runs of one device, whatever its number of threads, to equal bytes.
template <class T>
class SameOnEachDevice {
 public:
  testing::AssertionResult operator()(const Stream& stream, const std::vector<T>& found) {
    const auto [first, is_new] = first_.try_emplace(stream.kind(), found);
    if (is_new || same_bytes(found, first->second)) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "other bytes than in the first run: " << name(stream);
  }

 private:
  std::map<DeviceKind, std::vector<T>> first_;
};

}  // namespace basin::test
