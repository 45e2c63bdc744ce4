#include "models/layers.h"

namespace basin {

Conv2d::Conv2d(Declaration& d, std::string name, int64_t in, int64_t out, int64_t kernel,
               int64_t stride, int64_t padding)
    : name_(std::move(name)), options_{stride, padding} {
  d.parameters.add_conv(name_ + ".weight", out, in, kernel);
}

Variable Conv2d::operator()(Tape& tape, const Variable& x) const {
  return conv2d(x, tape.parameter(name_ + ".weight"), options_);
}

Linear::Linear(Declaration& d, std::string name, int64_t channels, int64_t positions, int64_t out,
               bool has_bias)
    : name_(std::move(name)), has_bias_(has_bias) {
  d.parameters.add_linear(name_ + ".weight", out, channels, positions);
  if (has_bias_) d.parameters.add(name_ + ".bias", Role::Bias, Shape{out});
}

Variable Linear::operator()(Tape& tape, const Variable& x) const {
  const Variable y = linear(x, tape.parameter(name_ + ".weight"));
  return has_bias_ ? bias(y, tape.parameter(name_ + ".bias")) : y;
}

NormRelu::NormRelu(Declaration& d, std::string name, int64_t channels, int64_t groups)
    : name_(std::move(name)), groups_(groups) {
  d.parameters.add(name_ + ".weight", Role::NormScale, Shape{channels});
  d.parameters.add(name_ + ".bias", Role::NormBias, Shape{channels});
  if (groups_ > 0) return;
  d.buffers.add(name_ + ".running_mean", Role::RunningMean, Shape{channels});
  d.buffers.add(name_ + ".running_var", Role::RunningVariance, Shape{channels});
  d.buffers.add(name_ + ".num_batches_tracked", Role::Counter, Shape{});
}

BatchNormOptions NormRelu::batch() const {
  return {.running_mean = name_ + ".running_mean",
          .running_variance = name_ + ".running_var",
          .counter = name_ + ".num_batches_tracked"};
}

Variable NormRelu::operator()(Tape& tape, const Variable& x) const {
  const Variable gamma = tape.parameter(name_ + ".weight"), beta = tape.parameter(name_ + ".bias");
  return groups_ > 0 ? group_norm_act(x, gamma, beta, {.groups = groups_})
                     : batch_norm_act(x, gamma, beta, batch());
}

NormActResult NormRelu::operator()(Tape& tape, const Variable& x, const Variable& residual) const {
  const Variable gamma = tape.parameter(name_ + ".weight"), beta = tape.parameter(name_ + ".bias");
  return groups_ > 0 ? group_norm_act(x, residual, gamma, beta, {.groups = groups_})
                     : batch_norm_act(x, residual, gamma, beta, batch());
}

}  // namespace basin
