// Buffers for kernel tests: filled with NaN until written, with sentinels on both sides that must
// be unchanged afterwards, at an alignment of the test's choice.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <vector>

namespace basin::test {

// The NaN that an unwritten element holds; for integers, a value that no kernel writes.
template <class T>
T poison() {
  if constexpr (std::numeric_limits<T>::has_quiet_NaN) {
    return std::numeric_limits<T>::quiet_NaN();
  } else {
    return static_cast<T>(0x5a5a5a5a5a5a5a5a);
  }
}

// n elements of T, 64-byte aligned and then moved by `offset` elements.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t n, int64_t offset = 0)
      : size_(n), bytes_(n * sizeof(T)), memory_(kGuard + offset * sizeof(T) + bytes_ + kGuard) {
    start_ = memory_.data() + kGuard + offset * sizeof(T);
    std::memset(memory_.data(), kSentinel, memory_.size());
    for (int64_t i = 0; i < n; ++i) data()[i] = poison<T>();
  }
  template <class U>
  explicit Guarded(const std::vector<U>& values, int64_t offset = 0)
      : Guarded(static_cast<int64_t>(values.size()), offset) {
    for (int64_t i = 0; i < size_; ++i) data()[i] = static_cast<T>(values[i]);
  }
  // A copy would be a second buffer at another alignment; none is needed.
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  Guarded(Guarded&&) noexcept = default;

  int64_t size() const { return size_; }
  T* data() { return reinterpret_cast<T*>(start_); }
  const T* data() const { return reinterpret_cast<const T*>(start_); }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }
  std::span<const T> span() const { return {data(), static_cast<size_t>(size_)}; }
  std::vector<T> values() const { return {data(), data() + size_}; }
  // Everything, sentinels included, and where in it the first element lies.
  std::span<unsigned char> memory() { return memory_; }
  std::ptrdiff_t offset() const { return start_ - memory_.data(); }

  // Whether nothing was written before the first or behind the last element.
  bool intact() const {
    for (const unsigned char* p = memory_.data(); p < start_; ++p) {
      if (*p != kSentinel) return false;
    }
    for (const unsigned char* p = start_ + bytes_; p < memory_.data() + memory_.size(); ++p) {
      if (*p != kSentinel) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kSentinel = 0xa5;
  template <class U>
  struct Aligned {
    using value_type = U;
    Aligned() = default;
    template <class V>
    Aligned(const Aligned<V>&) {}
    U* allocate(size_t n) {
      return static_cast<U*>(::operator new (n * sizeof(U), std::align_val_t{64}));
    }
    void deallocate(U* p, size_t) { ::operator delete (p, std::align_val_t{64}); }
    bool operator==(const Aligned&) const { return true; }
  };

  int64_t size_;
  size_t bytes_;
  std::vector<unsigned char, Aligned<unsigned char>> memory_;
  unsigned char* start_;
};

}  // namespace basin::test
