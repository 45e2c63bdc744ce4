// The convolutions of groups on CUDA: the bodies of one convolution, for each group in one grid.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kernels/conv_reference.cuh"
#include "kernels/conv_tile_pass.cuh"

namespace basin::cuda {
namespace {

// What all of them have in common: w is used as it is, and its gradient written as it is.
template <class T>
class UnpackedConv : public ConvBackend<T> {
 public:
  int64_t packed_bytes() const override { return 0; }
  int64_t packed_gradient_size() const override { return 0; }
  void pack(const Stream&, const T*, void*) const override {}
  void unpack_gradient(const Stream&, const T*, T*, Write) const override {}

 protected:
  UnpackedConv(const ConvShape& shape, ParameterGroups groups) : shape_(shape), groups_(groups) {}
  template <class Value>
  GroupsArray<Value> images(Value* x) const {
    return {x, shape_.input_size()};
  }
  template <class Value>
  GroupsArray<Value> results(Value* y) const {
    return {y, shape_.output_size()};
  }
  template <class Value>
  GroupsArray<Value> weights(Value* w) const {
    return {w, groups_.stride};
  }

  ConvShape shape_;  // of a group
  ParameterGroups groups_;
};

class TileGroupConv final : public UnpackedConv<float> {
 public:
  TileGroupConv(const ConvShape& shape, ParameterGroups groups, ConvPasses passes)
      : UnpackedConv(shape, groups),
        taps_(ConvTaps::forward(shape)),
        forward_(forward_product(shape), is_narrow(shape), groups.count) {
    if (passes == ConvPasses::All) {
      data_.emplace(data_product(shape), is_narrow(shape), groups.count);
    }
    if (passes != ConvPasses::Forward) {
      filter_.emplace(filter_product(shape), is_narrow(shape), groups.count);
    }
  }

  int64_t scratch_bytes() const override {
    return std::max({forward_.scratch_bytes(), data_ ? data_->scratch_bytes() : 0,
                     filter_ ? filter_->scratch_bytes() : 0});
  }
  void forward(const Stream& stream, const float* x, const float* w, const void*, float* y,
               void* scratch) const override {
    forward_.run<ConvForwardTile>(stream, "group_conv_forward", results(y), Write::Overwrite,
                                  scratch, taps_, static_cast<int>(shape_.c_out), forward_.grid(),
                                  images(x), weights(w));
  }
  void backward_data(const Stream& stream, const float* dy, const float* w, const void*, float* dx,
                     Write mode, void* scratch) const override {
    data_->run<ConvDataTile>(stream, "group_conv_data", images(dx), mode, scratch, shape_,
                             data_->grid(), results(dy), weights(w));
  }
  void backward_filter(const Stream& stream, const float* x, const float* dy, float* dw, Write mode,
                       void* scratch) const override {
    filter_->run<ConvFilterTile>(stream, "group_conv_filter", weights(dw), mode, scratch, taps_,
                                 static_cast<int>(shape_.c_out), filter_->grid(), images(x),
                                 results(dy));
  }
  std::string description() const override {
    return fmt::format("{} | {} | {}", forward_.name(), data_ ? data_->name() : "-",
                       filter_ ? filter_->name() : "-");
  }

 private:
  using Pass = TilePass<TileRun::Groups>;
  ConvTaps taps_;
  Pass forward_;
  std::optional<Pass> data_, filter_;  // where wanted
};

template <class T>
class LoopGroupConv final : public UnpackedConv<T> {
 public:
  LoopGroupConv(const ConvShape& shape, ParameterGroups groups) : UnpackedConv<T>(shape, groups) {}

  int64_t scratch_bytes() const override { return 0; }
  void forward(const Stream& stream, const T* x, const T* w, const void*, T* y,
               void*) const override {
    start<ConvForwardBody<T>>(stream, "group_conv_forward", this->shape_.output_size(),
                              this->images(x), this->weights(w), this->results(y));
  }
  void backward_data(const Stream& stream, const T* dy, const T* w, const void*, T* dx, Write mode,
                     void*) const override {
    start<ConvBackwardDataBody<T>>(stream, "group_conv_data", this->shape_.input_size(),
                                   this->results(dy), this->weights(w), this->images(dx), mode);
  }
  void backward_filter(const Stream& stream, const T* x, const T* dy, T* dw, Write mode,
                       void*) const override {
    start<ConvBackwardFilterBody<T>>(stream, "group_conv_filter", this->shape_.weight_size(),
                                     this->images(x), this->results(dy), this->weights(dw), mode);
  }
  std::string description() const override { return "loops | loops | loops"; }

 private:
  template <class Body, class... Operands>
  void start(const Stream& stream, const char* name, int64_t size, Operands... operands) const {
    const Grid one = grid_for(stream, size);
    launch<GroupsOf<Body>>(stream, name, {this->groups_.count * one.blocks, one.threads},
                           static_cast<int>(one.blocks), this->shape_, operands...);
  }
};

}  // namespace

template <>
std::unique_ptr<ConvBackend<float>> make_group_conv(const ConvShape& shape, ParameterGroups groups,
                                                    ConvPasses passes) {
  // Tiles move w and its gradient by 16 bytes.
  const bool is_aligned = groups.count == 1 || groups.stride % 4 == 0;
  if (!is_aligned || !tiles_fit(shape))
    return std::make_unique<LoopGroupConv<float>>(shape, groups);
  return std::make_unique<TileGroupConv>(shape, groups, passes);
}

template <>
std::unique_ptr<ConvBackend<double>> make_group_conv(const ConvShape& shape, ParameterGroups groups,
                                                     ConvPasses) {
  return std::make_unique<LoopGroupConv<double>>(shape, groups);
}

}  // namespace basin::cuda
