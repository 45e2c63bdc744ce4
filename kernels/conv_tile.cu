// float32 convolution on CUDA by Basin's own tiles: each pass a kernel, and one more where its sums
// are split. w is used as it is, and results are added where they belong.
#include "kernels/conv_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "kernels/conv_tile_pass.cuh"

namespace basin::cuda {
namespace {

using Pass = TilePass<TileRun::Alone>;

class TileConv final : public ConvBackend<float> {
 public:
  TileConv(const ConvShape& shape, ConvPasses passes, std::unique_ptr<ConvBackend<float>> filter)
      : shape_(shape),
        taps_(ConvTaps::forward(shape)),
        forward_(forward_product(shape), is_narrow(shape)),
        other_filter_(std::move(filter)) {
    if (passes == ConvPasses::All) data_.emplace(data_product(shape), is_narrow(shape));
    if (passes != ConvPasses::Forward && other_filter_ == nullptr) {
      filter_.emplace(filter_product(shape), is_narrow(shape));
    }
  }

  int64_t packed_bytes() const override { return 0; }
  int64_t packed_gradient_size() const override { return 0; }
  int64_t scratch_bytes() const override {
    int64_t bytes = forward_.scratch_bytes();
    if (data_) bytes = std::max(bytes, data_->scratch_bytes());
    if (filter_) bytes = std::max(bytes, filter_->scratch_bytes());
    return other_filter_ ? std::max(bytes, other_filter_->scratch_bytes()) : bytes;
  }
  void pack(const Stream&, const float*, void*) const override {}
  void unpack_gradient(const Stream&, const float*, float*, Write) const override {}

  void forward(const Stream& stream, const float* x, const float* w, const void*, float* y,
               void* scratch) const override {
    forward_.run<ConvForwardTile>(stream, "conv_forward_tile", y, Write::Overwrite, scratch, taps_,
                                  c_out(), forward_.grid(), x, w);
  }
  void backward_data(const Stream& stream, const float* dy, const float* w, const void*, float* dx,
                     Write mode, void* scratch) const override {
    data_->run<ConvDataTile>(stream, "conv_data_tile", dx, mode, scratch, shape_, data_->grid(), dy,
                             w);
  }
  void backward_filter(const Stream& stream, const float* x, const float* dy, float* dw, Write mode,
                       void* scratch) const override {
    if (other_filter_) return other_filter_->backward_filter(stream, x, dy, dw, mode, scratch);
    filter_->run<ConvFilterTile>(stream, "conv_filter_tile", dw, mode, scratch, taps_, c_out(),
                                 filter_->grid(), x, dy);
  }
  std::string description() const override {
    std::string filter = filter_ ? filter_->name() : "-";
    if (other_filter_) {
      const std::string all = other_filter_->description();
      filter = "cudnn engine " + all.substr(all.rfind("| ") + 2);
    }
    return fmt::format("{} | {} | {}", forward_.name(), data_ ? data_->name() : "-", filter);
  }

 private:
  int c_out() const { return static_cast<int>(shape_.c_out); }

  ConvShape shape_;
  ConvTaps taps_;
  Pass forward_;
  std::optional<Pass> data_, filter_;  // where wanted
  std::unique_ptr<ConvBackend<float>> other_filter_;
};

}  // namespace

std::unique_ptr<ConvBackend<float>> make_tile_conv(const ConvShape& shape, ConvPasses passes,
                                                   std::unique_ptr<ConvBackend<float>> filter) {
  return std::make_unique<TileConv>(shape, passes, std::move(filter));
}

}  // namespace basin::cuda
