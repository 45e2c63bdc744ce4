// What all backends of GroupConv share, and the one of the CPU.
#include "kernels/group_conv.h"

#include <type_traits>
#include <vector>

#include "kernels/conv_backend.h"
#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "kernels/parallel.h"

namespace basin {
namespace {

int64_t aligned(int64_t bytes) {
  return round_up(bytes, cpu::kLineBytes);
}

// Each worker has a convolution of one group, and its part of the scratch: the convolution's own,
// and behind it the packed gradient.
template <class T>
class CpuGroupConv final : public ConvBackend<T> {
 public:
  CpuGroupConv(const Stream& stream, const ConvShape& shape, ParameterGroups groups,
               ConvPasses passes, ConvAlgorithm algorithm)
      : shape_(shape), groups_(groups), team_(stream, groups.count) {
    for (int k = 0; k < team_.workers(); ++k) {
      workers_.emplace_back(team_.stream(), shape, passes, algorithm);
    }
    own_scratch_ = aligned(workers_[0].scratch_bytes());
    gradient_bytes_ = aligned(workers_[0].packed_gradient_size() * int64_t{sizeof(Wide<T>)});
  }

  int64_t packed_bytes() const override { return groups_.count * packed_of_one(); }
  int64_t packed_gradient_size() const override { return 0; }
  int64_t scratch_bytes() const override {
    return team_.workers() * (own_scratch_ + gradient_bytes_);
  }

  void pack(const Stream&, const Wide<T>* w, void* packed) const override {
    each([&](const Conv<T>& conv, int64_t g, int) {
      conv.pack(team_.stream(), w + g * groups_.stride,
                static_cast<char*>(packed) + g * packed_of_one());
    });
  }
  void forward(const Stream&, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const override {
    each([&](const Conv<T>& conv, int64_t g, int worker) {
      conv.forward(team_.stream(), x + g * shape_.input_size(), w + g * groups_.stride,
                   packed_of(packed, g), y + g * shape_.output_size(), scratch_of(scratch, worker));
    });
  }
  void backward_data(const Stream&, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const override {
    each([&](const Conv<T>& conv, int64_t g, int worker) {
      conv.backward_data(team_.stream(), dy + g * shape_.output_size(), w + g * groups_.stride,
                         packed_of(packed, g), dx + g * shape_.input_size(), mode,
                         scratch_of(scratch, worker));
    });
  }
  void backward_filter(const Stream&, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const override {
    each([&](const Conv<T>& conv, int64_t g, int worker) {
      char* own = scratch_of(scratch, worker);
      const T *x_of = x + g * shape_.input_size(), *dy_of = dy + g * shape_.output_size();
      Wide<T>* to = dw + g * groups_.stride;
      if (gradient_bytes_ == 0)
        return conv.backward_filter(team_.stream(), x_of, dy_of, to, mode, own);
      auto* packed = reinterpret_cast<Wide<T>*>(own + own_scratch_);
      conv.backward_filter(team_.stream(), x_of, dy_of, packed, Write::Overwrite, own);
      conv.unpack_gradient(team_.stream(), packed, to, mode);
    });
  }
  void unpack_gradient(const Stream&, const Wide<T>*, Wide<T>*, Write) const override {}
  std::string description() const override { return workers_[0].description(); }

 private:
  // body(conv, group, worker) for each group.
  template <class Body>
  void each(const Body& body) const {
    team_.run([&](int worker, int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) body(workers_[worker], g, worker);
    });
  }
  int64_t packed_of_one() const { return aligned(workers_[0].packed_bytes()); }
  const void* packed_of(const void* packed, int64_t g) const {
    return static_cast<const char*>(packed) + g * packed_of_one();
  }
  char* scratch_of(void* scratch, int worker) const {
    return static_cast<char*>(scratch) + worker * (own_scratch_ + gradient_bytes_);
  }

  ConvShape shape_;
  ParameterGroups groups_;
  cpu::Team team_;
  std::vector<Conv<T>> workers_;
  int64_t own_scratch_, gradient_bytes_;
};

}  // namespace

template <class T>
GroupConv<T>::GroupConv(const Stream& stream, const ConvShape& shape, ParameterGroups groups,
                        ConvPasses passes, ConvAlgorithm algorithm)
    : passes_(passes) {
  check_conv_shape(shape);
  BASIN_CHECK(groups.count >= 1, "[conv] groups", "found {}, expected 1 or more", groups.count);
  BASIN_CHECK(groups.count == 1 || groups.stride >= shape.weight_size(), "[conv] groups",
              "found weights {} elements apart, expected at least the {} of one", groups.stride,
              shape.weight_size());
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      if constexpr (std::is_same_v<T, bfloat16>) {
        BASIN_CHECK(false, "[conv] groups", "found bfloat16 on CUDA, expected float32");
      } else {
        backend_ = cuda::make_group_conv<T>(shape, groups, passes);
      }
      return;
    }
  }
  backend_ = std::make_unique<CpuGroupConv<T>>(stream, shape, groups, passes, algorithm);
}

template <class T>
GroupConv<T>::~GroupConv() = default;
template <class T>
GroupConv<T>::GroupConv(GroupConv&&) noexcept = default;

template <class T>
int64_t GroupConv<T>::packed_bytes() const {
  return backend_->packed_bytes();
}
template <class T>
int64_t GroupConv<T>::scratch_bytes() const {
  return backend_->scratch_bytes();
}
template <class T>
std::string GroupConv<T>::description() const {
  return backend_->description();
}

template <class T>
void GroupConv<T>::pack(const Stream& stream, const Wide<T>* w, void* packed) const {
  backend_->pack(stream, w, packed);
}

template <class T>
void GroupConv<T>::forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed,
                           T* y, void* scratch) const {
  backend_->forward(stream, x, w, packed, y, scratch);
}

template <class T>
void GroupConv<T>::backward_data(const Stream& stream, const T* dy, const Wide<T>* w,
                                 const void* packed, T* dx, Write mode, void* scratch) const {
  check_has_data(passes_);
  backend_->backward_data(stream, dy, w, packed, dx, mode, scratch);
}

template <class T>
void GroupConv<T>::backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw,
                                   Write mode, void* scratch) const {
  check_has_filter(passes_);
  backend_->backward_filter(stream, x, dy, dw, mode, scratch);
}

template class GroupConv<float>;
template class GroupConv<double>;
template class GroupConv<bfloat16>;

}  // namespace basin
