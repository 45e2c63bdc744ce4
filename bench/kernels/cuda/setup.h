// What a benchmark on a GPU works on: the stream, random arrays, and what is kept between calls.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/buffer.h"
#include "kernels/bfloat16.h"
#include "kernels/random.h"

namespace basin::bench {

// Never closed, like the last of what is kept: at the end of the process the libraries may have
// taken down what their handles need.
inline const Stream& device_stream(Tf32 tf32 = Tf32::No) {
  static const auto* const exact = new Stream(Stream::cuda(0));
  static const auto* const rounded = new Stream(Stream::cuda(0, Tf32::Yes));
  return tf32 == Tf32::Yes ? *rounded : *exact;
}

// The Setup of this key, made from it where the last call had another: Google Benchmark calls each
// function several times, and some share one.
template <class Setup, class Key>
Setup& kept(const Key& key) {
  static auto* const last = new std::pair<Key, std::unique_ptr<Setup>>;
  if (last->second == nullptr || last->first != key) {
    last->second.reset();  // its memory is free before the next one's is taken
    last->second = std::make_unique<Setup>(key);
    last->first = key;
  }
  return *last->second;
}

// n random numbers on the device, N(0, 1); every 2^20 the same.
template <class T>
class RandomArray {
 public:
  RandomArray(const Stream& stream, int64_t n) : buffer_(stream, n * int64_t{sizeof(T)}) {
    static const std::vector<T> block = [] {
      std::vector<T> values(1 << 20);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = T(static_cast<float>(normal(philox_at(0, Purpose::Data, 0, i))));
      }
      return values;
    }();
    const auto size = static_cast<int64_t>(block.size());
    for (int64_t at = 0; at < n; at += size) {
      copy_to_device(stream, data() + at, block.data(),
                     std::min(size, n - at) * int64_t{sizeof(T)});
    }
  }
  T* data() const { return reinterpret_cast<T*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

}  // namespace basin::bench
